/**
 * Intentions as people and Consul's clients write them: names on a command line or in a query (`web`, `shop/web`, `*`,
 * `shop/*`), and Consul's JSON body in CamelCase or snake_case. As in Consul a name without a namespace is in the
 * default one, `*` included: all services of all namespaces are written out as any namespace and any name.
 */
import { MeshError } from "../base/errors.ts";
import { Fields, Report, show } from "./fields.ts";
import { DEFAULT_NAMESPACE, isLabel, RESERVED_NAMESPACES } from "./names.ts";
import type { ServiceName } from "./names.ts";
import { parseSource } from "./source.ts";

/** An intention before it has its id, precedence and times. */
export interface IntentionDraft {
  /** Where the document names one. */
  readonly id: string | undefined;
  readonly source: ServiceName;
  readonly destination: ServiceName;
  readonly action: "allow" | "deny";
  readonly description: string;
  readonly meta: Readonly<Record<string, string>>;
}

const FORMS = "use NAME, NAMESPACE/NAME, NAMESPACE/* (all of a namespace) or */* (all services)";
const DESCRIPTION_MAX = 512;
const META_ENTRIES_MAX = 64;

/** Why this cannot be one side of an intention, or undefined. */
function sideFault({ namespace, name }: ServiceName): string | undefined {
  if (namespace !== "*" && !isLabel(namespace)) return `namespace "${namespace}" is neither a lower case label nor *`;
  if (RESERVED_NAMESPACES.includes(namespace)) return `"${namespace}" cannot be a namespace: DNS names use the word`;
  if (name !== "*" && !isLabel(name)) return `service "${name}" is neither a lower case label nor *`;
  return namespace === "*" && name !== "*" ? `"*/${name}": one name in every namespace cannot be meant` : undefined;
}

/** One side from its text; throws INVALID. */
export function parseIntentionSide(text: string, namespace = DEFAULT_NAMESPACE): ServiceName {
  const parts = text.split("/");
  const side = parts.length === 1 ? { namespace, name: text } : { namespace: parts[0]!, name: parts[1]! };
  const fault = parts.length > 2 ? `"${text}" has too many parts` : sideFault(side);
  if (fault !== undefined) throw new MeshError("INVALID", `not a source or destination: ${fault}`, { fix: FORMS });
  return side;
}

export interface IntentionBodyOptions {
  /** How errors call the text. */
  readonly file?: string;
  readonly namespace?: string;
  /** From the query of `/exact`; the body may repeat but not contradict them. */
  readonly source?: ServiceName;
  readonly destination?: ServiceName;
}

/** Consul's JSON body of an intention; throws INVALID with every mistake. */
export function parseIntentionBody(text: string, options: IntentionBodyOptions = {}): IntentionDraft {
  const source = parseSource(text);
  const report = new Report(options.file ?? "request body", source.json);
  for (const { place, message } of source.problems) report.add(place, message);
  report.stop("INVALID");
  const [document, second] = source.documents;
  if (document?.kind !== "map" || second !== undefined) {
    const place = document?.place ?? { line: 1, column: 1 };
    report.add(place, `an intention must be one object${document === undefined ? "" : `, got ${show(document)}`}`);
    report.stop("INVALID");
    throw new MeshError("INVALID", "not an intention");
  }
  const draft = readBody(new Fields(report, document, ""), options);
  report.stop("INVALID");
  return draft;
}

function readBody(fields: Fields, options: IntentionBodyOptions): IntentionDraft {
  const draft: IntentionDraft = {
    id: fields.string("ID"),
    source: readSide(fields, "Source", options),
    destination: readSide(fields, "Destination", options),
    ...readRest(fields),
  };
  fields.oneOf("SourceType", ["consul", ""]);
  fields.unsupported("Permissions", "leave it out: an intention allows or denies a service as a whole");
  fields.unsupported("SourcePeer", "leave it out: this mesh has no peers");
  for (const side of ["SourcePartition", "DestinationPartition"]) fields.oneOf(side, ["default", ""]);
  for (const readOnly of ["Precedence", "CreatedAt", "UpdatedAt", "CreateIndex", "ModifyIndex", "Hash"]) {
    fields.entry(readOnly);
  }
  for (const other of ["DefaultAddr", "DefaultPort"]) fields.unsupported(other, "leave it out");
  fields.done();
  return draft;
}

/** Action, description and meta, the same in a body and in a document's spec. */
export function readRest(fields: Fields): Pick<IntentionDraft, "action" | "description" | "meta"> {
  if (!fields.has("Action")) {
    const fix = fields.report.line("Action", "allow");
    fields.report.add(fields.place, `Action is missing: it must be "allow" or "deny"`, fix);
  }
  const action = fields.oneOf("Action", ["allow", "deny"]);
  const description = fields.string("Description") ?? "";
  if (description.length > DESCRIPTION_MAX) {
    fields.report.add(fields.place, `Description is longer than ${DESCRIPTION_MAX} characters`);
  }
  const meta: [string, string][] = [];
  for (const { key, keyPlace, value, path } of fields.entries("Meta")) {
    const text = value.kind === "scalar" ? value.value : undefined;
    if (typeof text === "string" && key !== "__proto__") meta.push([key, text]);
    else fields.report.add(keyPlace, `${path} must be a string, got ${show(value)}`);
  }
  if (meta.length > META_ENTRIES_MAX) fields.report.add(fields.place, `Meta has more than ${META_ENTRIES_MAX} entries`);
  return { action: action ?? "deny", description, meta: Object.fromEntries(meta) };
}

function readSide(fields: Fields, side: "Source" | "Destination", options: IntentionBodyOptions): ServiceName {
  const given = side === "Source" ? options.source : options.destination;
  const written = fields.string(`${side}Name`);
  const namespace = fields.string(`${side}NS`) ?? given?.namespace ?? options.namespace ?? DEFAULT_NAMESPACE;
  // Consul's CLI and some clients write NS/NAME into the name.
  const parts = (written ?? given?.name ?? "").split("/");
  const found = parts.length === 2 ? { namespace: parts[0]!, name: parts[1]! } : { namespace, name: parts.join("/") };
  if (found.name === "") {
    fields.report.add(fields.place, `${side}Name is missing`, fields.report.line(`${side}Name`, "web"));
    return found;
  }
  const fault = sideFault(found);
  if (fault !== undefined) fields.report.add(fields.place, `${side}Name: ${fault}`, FORMS);
  if (given !== undefined && (given.name !== found.name || given.namespace !== found.namespace)) {
    fields.report.add(fields.place, `${side}Name is ${found.namespace}/${found.name} in the body and ${
      given.namespace}/${given.name} in the query`, "leave it out of the body");
  }
  return found;
}

/** `source: web` or `source: {namespace: shop, name: web}` of an Intention document's spec. */
export function readSpecSide(fields: Fields, field: "source" | "destination", namespace: string): ServiceName {
  const nothing = { namespace, name: "" };
  const entry = fields.entry(field);
  if (entry === undefined) return fields.missing(field, "a service name", fields.report.line(field, "web")) ?? nothing;
  let side: ServiceName;
  if (entry.value.kind === "map") {
    const inner = new Fields(fields.report, entry.value, fields.at(entry));
    side = { namespace: inner.string("namespace") ?? namespace, name: inner.string("name") ?? "" };
    inner.done();
  } else if (entry.value.kind === "scalar" && typeof entry.value.value === "string") {
    const parts = entry.value.value.split("/");
    side = parts.length === 2 ? { namespace: parts[0]!, name: parts[1]! } : { namespace, name: parts.join("/") };
  } else {
    return fields.wrong(entry, "a service name") ?? nothing;
  }
  const fault = sideFault(side);
  if (fault !== undefined) fields.report.add(entry.value.place, `${fields.at(entry)}: ${fault}`, FORMS);
  return side;
}
