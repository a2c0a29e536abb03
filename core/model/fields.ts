/**
 * Reads the fields of a document that people write: every mistake is collected with its place, the value that was
 * there, what is allowed and the line to write instead; keys match in snake_case, camelCase and CamelCase.
 */
import { MeshError, type ErrorCode } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { parseDuration } from "./duration.ts";
import type { Place, SourceEntry, SourceMap, SourceNode } from "./source.ts";

export interface Problem {
  readonly place: Place;
  readonly message: string;
  readonly fix: string;
}

/** What was found wrong in one text. */
export class Report {
  readonly problems: Problem[] = [];
  readonly warnings: string[] = [];
  readonly file: string;
  readonly json: boolean;

  constructor(file: string, json: boolean) {
    this.file = file;
    this.json = json;
  }

  add(place: Place, message: string, fix = ""): void {
    this.problems.push({ place, message, fix });
  }

  warn(place: Place, message: string): void {
    this.warnings.push(`${this.file}:${place.line}:${place.column}: ${message}`);
  }

  /** Throws one error that holds all problems, in the text's order. */
  stop(code: ErrorCode): void {
    if (this.problems.length === 0) return;
    const order = (a: Problem, b: Problem): number => a.place.line - b.place.line || a.place.column - b.place.column;
    const sorted = [...this.problems].sort(order);
    const message = sorted.map((p) => `${this.file}:${p.place.line}:${p.place.column}: ${p.message}`).join("\n");
    const fixes = new Set(sorted.map((p) => p.fix).filter((fix) => fix !== ""));
    throw new MeshError(code, message, fixes.size === 0 ? {} : { fix: [...fixes].join("\n") });
  }

  /** The line that would be right, in the language of the text. */
  line(key: string, value: string | number | boolean): string {
    return this.json ? `${JSON.stringify(key)}: ${JSON.stringify(value)}` : `${key}: ${value}`;
  }
}

/** How a value is shown in an error: `"8080" (string)`, `70000`, `a list`. */
export function show(node: SourceNode): string {
  if (node.kind === "map") return "an object";
  if (node.kind === "list") return "a list";
  if (typeof node.value === "string") {
    return `${JSON.stringify(node.value.length > 60 ? `${node.value.slice(0, 60)}…` : node.value)} (string)`;
  }
  return typeof node.value === "boolean" ? `${node.value} (boolean)` : String(node.value);
}

const canonical = (key: string): string => key.toLowerCase().replaceAll(/[_-]/g, "");

export interface IntegerOptions {
  readonly min: number;
  readonly max: number;
}

/** One object of the document. Ask for every field that it may have, then call `done` to refuse the others. */
export class Fields {
  readonly path: string;
  readonly place: Place;
  readonly report: Report;
  readonly #entries = new Map<string, SourceEntry>();
  readonly #known: string[] = [];

  constructor(report: Report, node: SourceMap, path: string) {
    this.report = report;
    this.path = path;
    this.place = node.place;
    for (const entry of node.entries) {
      const name = canonical(entry.key);
      const twin = this.#entries.get(name);
      if (twin === undefined) this.#entries.set(name, entry);
      else report.add(entry.keyPlace, `${this.at(entry)} is given twice (${twin.key})`, `keep one of them`);
    }
  }

  /** The entry as written; null and the empty string, which other programs write for "not set", count as absent. */
  entry(name: string): SourceEntry | undefined {
    this.#known.push(name);
    const key = canonical(name);
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    return entry === undefined || isUnset(entry.value) ? undefined : entry;
  }

  at(entry: SourceEntry): string {
    return this.path === "" ? entry.key : `${this.path}.${entry.key}`;
  }

  /** Whether the field is set; asks nothing of it. */
  has(name: string): boolean {
    const entry = this.#entries.get(canonical(name));
    return entry !== undefined && !isUnset(entry.value);
  }

  /** Reports a value that does not fit. */
  wrong(entry: SourceEntry, allowed: string, fix = ""): undefined {
    this.report.add(entry.value.place, `${this.at(entry)} must be ${allowed}, got ${show(entry.value)}`, fix);
    return undefined;
  }

  missing(name: string, allowed: string, fix = ""): undefined {
    this.report.add(this.place, `${this.path}.${name} is missing: it must be ${allowed}`, fix);
    return undefined;
  }

  string(name: string): string | undefined {
    const entry = this.entry(name);
    if (entry === undefined) return undefined;
    if (entry.value.kind === "scalar" && typeof entry.value.value === "string") return entry.value.value;
    const known = entry.value.kind === "scalar" ? this.report.line(entry.key, `${entry.value.value}`) : "";
    return this.wrong(entry, "a string", this.report.json ? known : known.replace(/: (.*)$/, ': "$1"'));
  }

  integer(name: string, { min, max }: IntegerOptions): number | undefined {
    const entry = this.entry(name);
    if (entry === undefined) return undefined;
    const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
    const meant = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : -1;
    const fix = meant >= min && meant <= max ? this.report.line(entry.key, meant) : "";
    return this.wrong(entry, `a number from ${min} to ${max}`, fix);
  }

  boolean(name: string): boolean | undefined {
    const entry = this.entry(name);
    if (entry === undefined) return undefined;
    if (entry.value.kind === "scalar" && typeof entry.value.value === "boolean") return entry.value.value;
    return this.wrong(entry, "true or false");
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const entry = this.entry(name);
    if (entry === undefined) return undefined;
    const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const near = typeof value === "string" ? nearest(value, allowed) : undefined;
    const fix = near === undefined ? "" : `did you mean ${this.report.line(entry.key, near)}?`;
    return this.wrong(entry, `one of ${allowed.map((a) => `"${a}"`).join(", ")}`, fix);
  }

  /** Milliseconds of `10s`, `1m`, or of a number of nanoseconds as Consul's JSON has it; zero counts as absent. */
  duration(name: string, { min, max }: IntegerOptions): number | undefined {
    const entry = this.entry(name);
    if (entry === undefined) return undefined;
    const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
    const ms = typeof value === "string" ? parseDuration(value) : typeof value === "number" ? value / 1e6 : undefined;
    if (ms === 0) return undefined;
    if (ms !== undefined && Math.round(ms) >= min && ms <= max) return Math.round(ms);
    const allowed = `a duration from ${sayMs(min)} to ${sayMs(max)} such as "10s"`;
    if (typeof value !== "number") return this.wrong(entry, allowed, this.report.line(entry.key, "10s"));
    const fix = Number.isInteger(value) && value >= 1 && value < 1e6 ? this.report.line(entry.key, `${value}s`) : "";
    return this.wrong(entry, `${allowed} (a bare number is nanoseconds)`, fix);
  }

  /** An object inside this one. */
  fields(name: string): Fields | undefined {
    const entry = this.entry(name);
    if (entry === undefined) return undefined;
    if (entry.value.kind === "map") return new Fields(this.report, entry.value, this.at(entry));
    return this.wrong(entry, "an object");
  }

  /** The objects of a list; what is no object is reported and left out. */
  list(name: string): readonly Fields[] {
    const entry = this.entry(name);
    if (entry === undefined) return [];
    if (entry.value.kind !== "list") return this.wrong(entry, "a list of objects") ?? [];
    return fieldsOf(this.report, entry.value.items, this.at(entry));
  }

  strings(name: string): readonly string[] | undefined {
    const entry = this.entry(name);
    if (entry === undefined) return undefined;
    if (entry.value.kind !== "list") return this.wrong(entry, "a list of strings");
    const texts: string[] = [];
    for (const [i, item] of entry.value.items.entries()) {
      if (item.kind === "scalar" && typeof item.value === "string") texts.push(item.value);
      else this.report.add(item.place, `${this.at(entry)}[${i}] must be a string, got ${show(item)}`);
    }
    return texts;
  }

  /** Keys as written, each with its value. */
  entries(name: string): readonly (SourceEntry & { readonly path: string })[] {
    const entry = this.entry(name);
    if (entry === undefined) return [];
    if (entry.value.kind !== "map") return this.wrong(entry, "an object") ?? [];
    return entry.value.entries.map((inner) => ({ ...inner, path: `${this.at(entry)}.${inner.key}` }));
  }

  /** A field that others know and we do not: its default passes silently, any other value is an error. */
  unsupported(name: string, fix: string): void {
    const entry = this.entry(name);
    if (entry === undefined || isDefault(entry.value)) return;
    this.report.add(entry.keyPlace, `${this.at(entry)} is not supported`, fix);
  }

  /** A field that changes nothing here and does no harm. */
  ignored(name: string, why: string): void {
    const entry = this.entry(name);
    if (entry === undefined || isDefault(entry.value)) return;
    this.report.warn(entry.keyPlace, `${this.at(entry)} is ignored: ${why}`);
  }

  /** Refuses every field that nobody asked for. */
  done(): void {
    for (const entry of this.#entries.values()) {
      const near = nearest(entry.key, this.#known);
      const fix = near === undefined ? `known fields: ${this.#known.join(", ")}` : `did you mean "${near}"?`;
      this.report.add(entry.keyPlace, `${this.at(entry)} is not a known field`, fix);
    }
  }
}

/** The objects of a list of nodes. */
export function fieldsOf(report: Report, items: readonly SourceNode[], path: string): readonly Fields[] {
  const found: Fields[] = [];
  for (const [i, item] of items.entries()) {
    if (item.kind === "map") found.push(new Fields(report, item, `${path}[${i}]`));
    else report.add(item.place, `${path}[${i}] must be an object, got ${show(item)}`);
  }
  return found;
}

const isUnset = (node: SourceNode): boolean => node.kind === "scalar" && (node.value === null || node.value === "");

function isDefault(node: SourceNode): boolean {
  if (node.kind === "map") return node.entries.length === 0;
  if (node.kind === "list") return node.items.length === 0;
  return node.value === null || node.value === false || node.value === "" || node.value === 0;
}

function sayMs(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  return ms >= 1_000 ? `${ms / 1_000}s` : `${ms}ms`;
}
