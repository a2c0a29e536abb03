import type { CheckRecord, InstanceRecord } from "../model/catalog.ts";
import { isLabel, RESERVED_NAMESPACES } from "../model/names.ts";
import { isStrings, isTexts } from "./shapes.ts";

/**
 * Rows of a sync come from a host, which may be taken over: each is checked here, where it is applied, and refused on
 * its own. Nothing is altered on the way in, or a host would find the catalog different from itself for ever.
 */
const MAX_ID_LENGTH = 255;
const MAX_OUTPUT_LENGTH = 65_536;
/** Of one instance as JSON, fields of later versions included: most of it travels to every caller. */
const MAX_INSTANCE_LENGTH = 65_536;
/** Of one check as JSON: its texts, and what later versions add. */
const MAX_CHECK_LENGTH = 262_144;

const NODE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/;
const PROTOCOLS: ReadonlySet<unknown> = new Set(["http", "tcp", "auto"]);
const STATUSES: ReadonlySet<unknown> = new Set(["passing", "warning", "critical"]);

/** Host names: letters, digits, dots, hyphens and underscores, 128 at most; never a slash. */
export const isNodeName = (text: string): boolean => NODE_NAME.test(text);

export const isPort = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535;

// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/;

const isId = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.length <= MAX_ID_LENGTH && !CONTROL.test(value);

const isWeight = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0
  && (value as number) <= 65_535;

/** What is wrong with it, or undefined. */
export function instanceFault(row: InstanceRecord): string | undefined {
  if (!isId(row.id)) return "id must be 1 to 255 characters without control characters";
  if (typeof row.service !== "string" || !isLabel(row.service)) return "service must be a lower case DNS label";
  if (typeof row.namespace !== "string" || !isLabel(row.namespace)) return "namespace must be a lower case DNS label";
  if (RESERVED_NAMESPACES.includes(row.namespace)) return `"${row.namespace}" cannot be a namespace: DNS uses the word`;
  if (typeof row.address !== "string" || row.address.length > MAX_ID_LENGTH) return "address must be a text";
  if (!isPort(row.port)) return "port must be 0 to 65535";
  if (!PROTOCOLS.has(row.protocol)) return "protocol must be http, tcp or auto";
  if (!isStrings(row.tags)) return "tags must be a list of texts";
  if (!isTexts(row.meta)) return "meta must map texts to texts";
  const weights = row.weights as { passing?: unknown; warning?: unknown } | undefined;
  if (!isWeight(weights?.passing) || !isWeight(weights?.warning)) return "weights must be 0 to 65535";
  if (typeof row.draining !== "boolean") return "draining must be true or false";
  if (!isStrings(row.upstreams)) return "upstreams must be a list of texts";
  return JSON.stringify(row).length > MAX_INSTANCE_LENGTH ? "the instance is larger than 64 kB" : undefined;
}

/** What is wrong with it, or undefined. */
export function checkFault(row: CheckRecord): string | undefined {
  if (!isId(row.id)) return "id must be 1 to 255 characters without control characters";
  if (typeof row.instanceId !== "string" || row.instanceId.length > MAX_ID_LENGTH) return "instanceId must be a text";
  if (!STATUSES.has(row.status)) return "status must be passing, warning or critical";
  for (const field of ["name", "output", "type", "notes"] as const) {
    if (typeof row[field] !== "string") return `${field} must be a text`;
    if (row[field].length > MAX_OUTPUT_LENGTH) return `${field} is longer than ${MAX_OUTPUT_LENGTH} characters`;
  }
  return JSON.stringify(row).length > MAX_CHECK_LENGTH ? "the check is larger than 256 kB" : undefined;
}

const BOOKKEEPING: ReadonlySet<string> = new Set(["createIndex", "modifyIndex"]);

/** Equal by content but for the indexes that the catalog adds; the order of fields does not matter. */
export function sameRow(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((v, i) => sameRow(v, b[i]));
  }
  const keys = (o: object): string[] => Object.keys(o).filter((k) => !BOOKKEEPING.has(k));
  const ours = keys(a);
  return ours.length === keys(b).length
    && ours.every((k) => Object.hasOwn(b, k)
      && sameRow((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k]));
}
