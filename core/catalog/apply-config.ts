import { precedence } from "../authz/precedence.ts";
import type { ResourceRecord } from "../model/catalog.ts";
import type { Intention } from "../model/intention.ts";
import { ok, refuse, write } from "./apply-context.ts";
import type { ApplyContext } from "./apply-context.ts";
import type {
  IntentionDelete, IntentionInput, IntentionPut, ResourceApply, ResourceDelete, ResourceInput, ResourcePut,
} from "./commands.ts";
import type { ApplyRefused, ApplyResult } from "./records.ts";
import { intentionKey, resourceKey } from "./state.ts";

function intentionFault(context: ApplyContext, input: IntentionInput): ApplyRefused | undefined {
  for (const side of ["source", "destination"] as const) {
    const { namespace, name } = input[side];
    if (namespace === "" || name === "" || /[/>]/.test(namespace + name)) {
      return refuse("INVALID", `${side} "${namespace}/${name}" is no service name`);
    }
    if (namespace === "*" && name !== "*") {
      return refuse("INVALID", `${side} "*/${name}": a name in every namespace cannot be meant`, "use */* or NS/NAME");
    }
  }
  const holder = context.state.intentionKeys.get(input.id);
  if (input.id === "" || (holder !== undefined && holder !== intentionKey(input))) {
    return refuse("CONFLICT", `intention id "${input.id}" is taken or empty`);
  }
  return undefined;
}

function writeIntention(context: ApplyContext, input: IntentionInput): Intention {
  const { state, nowMs } = context;
  const key = intentionKey(input);
  const old = state.intentions.get(key);
  const { source, destination, action, description, meta } = input;
  const wanted: Intention = {
    id: old?.id ?? input.id,
    source: { namespace: source.namespace, name: source.name },
    destination: { namespace: destination.namespace, name: destination.name },
    action,
    description,
    meta,
    precedence: precedence(input),
    createdAtMs: old?.createdAtMs ?? nowMs,
    updatedAtMs: old?.updatedAtMs ?? nowMs,
  };
  const same = old !== undefined && old.action === action && old.description === description
    && JSON.stringify(old.meta) === JSON.stringify(meta);
  return same ? old : write(context, state.intentions, [key, { ...wanted, updatedAtMs: nowMs }]);
}

export function intentionPut(context: ApplyContext, { intention, createOnly }: IntentionPut): ApplyResult {
  const fault = intentionFault(context, intention);
  if (fault !== undefined) return fault;
  if (createOnly === true && context.state.intentions.get(intentionKey(intention)) !== undefined) {
    return refuse("CONFLICT", "an intention of this source and destination exists", "replace it, or delete it first");
  }
  return ok(context, { intention: writeIntention(context, intention) });
}

export function intentionDelete(context: ApplyContext, command: IntentionDelete): ApplyResult {
  const { state } = context;
  const { id, source, destination } = command;
  const key = source !== undefined && destination !== undefined ? intentionKey({ source, destination })
    : state.intentionKeys.get(id ?? "");
  const intention = key === undefined ? undefined : state.intentions.get(key);
  if (key === undefined || intention === undefined) return ok(context);
  state.intentions.delete(key);
  return ok(context, { intention });
}

function casFault(context: ApplyContext, key: string, cas: number | undefined): ApplyRefused | undefined {
  const stored = context.state.resources.get(key)?.modifyIndex ?? 0;
  return cas === undefined || cas === stored ? undefined
    : refuse("CONFLICT", `${key} was changed meanwhile (index ${stored}, not ${cas})`);
}

function resourceFault(resource: ResourceInput): ApplyRefused | undefined {
  const named = [resource.kind, resource.namespace, resource.name].every((part) => part !== "" && !part.includes("/"));
  return named && resource.document !== undefined ? undefined
    : refuse("INVALID_RESOURCE", `"${resourceKey(resource)}" does not name a resource with a document`);
}

function writeResource(context: ApplyContext, { kind, namespace, name, document }: ResourceInput): void {
  const record: ResourceRecord = { kind, namespace, name, document };
  write(context, context.state.resources, [resourceKey(record), record]);
}

export function resourcePut(context: ApplyContext, { resource, cas }: ResourcePut): ApplyResult {
  const fault = resourceFault(resource) ?? casFault(context, resourceKey(resource), cas);
  if (fault !== undefined) return fault;
  writeResource(context, resource);
  return ok(context);
}

export function resourceDelete(context: ApplyContext, { resource, cas }: ResourceDelete): ApplyResult {
  const key = resourceKey(resource);
  const fault = casFault(context, key, cas);
  if (fault !== undefined) return fault;
  context.state.resources.delete(key);
  return ok(context);
}

/** All of a file, or nothing of it: every document is looked at before the first is written. */
export function resourceApply(context: ApplyContext, { resources, intentions }: ResourceApply): ApplyResult {
  for (const resource of resources) {
    const fault = resourceFault(resource);
    if (fault !== undefined) return fault;
  }
  const pairs = new Map<string, string>();
  for (const intention of intentions) {
    const fault = intentionFault(context, intention);
    if (fault !== undefined) return fault;
    const pair = intentionKey(intention);
    if ((pairs.get(intention.id) ?? pair) !== pair) return refuse("CONFLICT", `id "${intention.id}" is used twice`);
    pairs.set(intention.id, pair);
  }
  for (const resource of resources) writeResource(context, resource);
  for (const intention of intentions) writeIntention(context, intention);
  return ok(context);
}
