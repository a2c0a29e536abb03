/**
 * Configuration documents: YAML (several per file, `---` between) or JSON, each `{apiVersion, kind, metadata, spec}`.
 * All mistakes of a text are reported at once, each with its place; a field that is not known is a mistake.
 */
import type { Balance, ResourceRecord } from "./catalog.ts";
import { nearest } from "../base/nearest.ts";
import { Fields, Report, show } from "./fields.ts";
import { readRest, readSpecSide } from "./intention-parse.ts";
import type { IntentionDraft } from "./intention-parse.ts";
import { DEFAULT_NAMESPACE, isLabel, RESERVED_NAMESPACES } from "./names.ts";
import { PROTOCOLS } from "./service-parse.ts";
import { parseSource } from "./source.ts";
import type { SourceNode } from "./source.ts";

export const MESH_API_VERSION = "mesh/v1";
/** Kinds that this version acts on. */
export const RESOURCE_KINDS: readonly string[] = ["ServiceDefaults", "Intention"];
const BALANCES: readonly Balance[] = ["round_robin", "least_request"];
const TIMEOUT = { min: 1, max: 3_600_000 };

export type ParsedResource = Pick<ResourceRecord, "kind" | "namespace" | "name" | "document">;

export interface ParsedResources {
  readonly resources: readonly ParsedResource[];
  /** Documents of kind Intention; they live in their own table. */
  readonly intentions: readonly IntentionDraft[];
  /** `file:line:column: …`. */
  readonly warnings: readonly string[];
}

export interface ResourceTextOptions {
  /** How errors call the text: a file's name or `request body`. */
  readonly file: string;
  /** For documents that name none. */
  readonly namespace?: string;
}

/** Throws INVALID_RESOURCE with every mistake of the text; nothing of a text with a mistake is used. */
export function parseResources(text: string, options: ResourceTextOptions): ParsedResources {
  const source = parseSource(text);
  const report = new Report(options.file, source.json);
  for (const { place, message } of source.problems) report.add(place, message);
  report.stop("INVALID_RESOURCE");
  const resources: ParsedResource[] = [];
  const intentions: IntentionDraft[] = [];
  const seen = new Set<string>();
  // A JSON text may hold a list of documents.
  const documents = source.documents.flatMap((d): readonly SourceNode[] => (d.kind === "list" ? d.items : [d]));
  if (documents.length === 0) report.add({ line: 1, column: 1 }, "holds no document");
  for (const node of documents) {
    const head = readHead(report, node, options.namespace ?? DEFAULT_NAMESPACE);
    if (head === undefined) continue;
    const key = head.kind === "Intention" ? intentionOf(head, intentions) : defaultsOf(head, resources);
    if (seen.has(key)) report.add(node.place, `${key} is in this text twice`, "keep one of them");
    seen.add(key);
  }
  report.stop("INVALID_RESOURCE");
  return { resources, intentions, warnings: report.warnings };
}

interface Head {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly spec: Fields;
}

function readHead(report: Report, node: SourceNode, defaultNamespace: string): Head | undefined {
  if (node.kind !== "map") {
    report.add(node.place, `a document must be an object, got ${show(node)}`);
    return undefined;
  }
  const fields = new Fields(report, node, "");
  for (const [field, example] of [["apiVersion", MESH_API_VERSION], ["kind", RESOURCE_KINDS[0]!]] as const) {
    if (!fields.has(field)) report.add(node.place, `${field} is missing`, report.line(field, example));
  }
  fields.oneOf("apiVersion", [MESH_API_VERSION]);
  const kind = readKind(fields);
  const metadata = fields.fields("metadata");
  const spec = fields.fields("spec");
  fields.done();
  if (kind === undefined) return undefined;
  const names = metadata === undefined ? { namespace: defaultNamespace, name: "" }
    : readNames(metadata, defaultNamespace);
  if (names.name === "" && kind !== "Intention" && metadata?.has("name") !== true) {
    report.add(metadata?.place ?? node.place, "metadata.name is missing: it must be a service's name",
      report.line("name", "web"));
  }
  if (spec === undefined) {
    report.add(node.place, "spec is missing: it must be an object");
    return undefined;
  }
  return { kind, ...names, spec };
}

function readKind(fields: Fields): string | undefined {
  const entry = fields.entry("kind");
  const value = entry?.value.kind === "scalar" ? entry.value.value : undefined;
  if (entry === undefined) return undefined;
  if (typeof value === "string" && RESOURCE_KINDS.includes(value)) return value;
  const near = typeof value === "string" ? nearest(value, RESOURCE_KINDS) : undefined;
  const fix = near === undefined ? `kinds of this version: ${RESOURCE_KINDS.join(", ")}`
    : `did you mean ${fields.report.line(entry.key, near)}?`;
  fields.report.add(entry.value.place, `kind ${show(entry.value)} is not known`, fix);
  return undefined;
}

function readNames(metadata: Fields, defaultNamespace: string): { namespace: string; name: string } {
  const name = metadata.entry("name");
  const namespace = metadata.entry("namespace");
  const text = (entry: typeof name): string | undefined =>
    entry?.value.kind === "scalar" && typeof entry.value.value === "string" ? entry.value.value : undefined;
  if (name !== undefined && !isLabel(text(name) ?? "")) {
    metadata.wrong(name, "lower case letters, digits and inner hyphens, at most 63 characters");
  }
  if (namespace !== undefined && !isLabel(text(namespace) ?? "")) {
    metadata.wrong(namespace, "lower case letters, digits and inner hyphens");
  } else if (RESERVED_NAMESPACES.includes(text(namespace) ?? "")) {
    metadata.wrong(namespace!, "a word that DNS names do not use", "choose another namespace");
  }
  metadata.ignored("labels", "this version stores none");
  metadata.ignored("annotations", "this version stores none");
  metadata.done();
  return { namespace: text(namespace) ?? defaultNamespace, name: text(name) ?? "" };
}

/** The shortest text of whole milliseconds. */
const durationText = (ms: number): string => (ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`);

function defaultsOf({ kind, namespace, name, spec }: Head, out: ParsedResource[]): string {
  const protocol = spec.oneOf("protocol", PROTOCOLS);
  const balance = spec.oneOf("balance", BALANCES);
  const timeoutMs = spec.duration("connect_timeout", TIMEOUT);
  spec.done();
  const document = {
    apiVersion: MESH_API_VERSION,
    kind,
    metadata: { namespace, name },
    spec: {
      ...(protocol === undefined ? {} : { protocol }),
      ...(balance === undefined ? {} : { balance }),
      ...(timeoutMs === undefined ? {} : { connect_timeout: durationText(timeoutMs) }),
    },
  };
  out.push({ kind, namespace, name, document });
  return `${kind} ${namespace}/${name}`;
}

function intentionOf({ namespace, name, spec }: Head, out: IntentionDraft[]): string {
  const source = readSpecSide(spec, "source", namespace);
  const destination = readSpecSide(spec, "destination", namespace);
  const draft = { id: name === "" ? undefined : name, source, destination, ...readRest(spec) };
  spec.done();
  out.push(draft);
  return `Intention ${source.namespace}/${source.name} to ${destination.namespace}/${destination.name}`;
}
