/**
 * JSON or YAML text as a tree that knows where everything stands, so that an error can say file:line:column. JSON is
 * read by the same YAML parser (it is a subset); only its syntax errors are worded by JSON's own.
 */
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseAllDocuments, type Alias, type Node } from "yaml";

/** Both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type SourceNode = SourceMap | SourceList | SourceScalar;
export interface SourceMap {
  readonly kind: "map";
  readonly place: Place;
  readonly entries: readonly SourceEntry[];
}
export interface SourceList {
  readonly kind: "list";
  readonly place: Place;
  readonly items: readonly SourceNode[];
}
export interface SourceScalar {
  readonly kind: "scalar";
  readonly place: Place;
  readonly value: string | number | boolean | null;
}
export interface SourceEntry {
  readonly key: string;
  readonly keyPlace: Place;
  readonly value: SourceNode;
}

export interface SourceText {
  /** One per YAML document, empty documents left out. */
  readonly documents: readonly SourceNode[];
  readonly problems: readonly { readonly place: Place; readonly message: string }[];
  /** The text is JSON, so a suggested line is written in JSON. */
  readonly json: boolean;
}

/** Aliases expand: these bound what a small text can grow to. */
const DEPTH_MAX = 64;
const NODES_MAX = 100_000;

/*
 * The YAML parser is quadratic in nesting, in the keys of one map and in aliases, and whoever waits for it waits for
 * everybody: so nesting is bounded before it sees the text, and keys and aliases are looked up here instead.
 */
const TEXT_LENGTH_MAX = 1024 * 1024;
/** Counted without a look at quotes and comments, where brackets need not be closed: far above DEPTH_MAX. */
const BRACKETS_MAX = 512;
const NESTED_ON_ONE_LINE = /(?:[-?:][ \t]+){64}/;
/** A file with more mistakes than these is not worth more words. */
const PROBLEMS_MAX = 100;

/** Why the parser must not see the text, or undefined. */
function textFault(text: string): string | undefined {
  if (text.length > TEXT_LENGTH_MAX) return `is larger than ${TEXT_LENGTH_MAX} characters: apply it in parts`;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "[" || c === "{") depth++;
    else if ((c === "]" || c === "}") && depth > 0) depth--;
    if (depth > BRACKETS_MAX) return `is nested deeper than ${DEPTH_MAX}`;
  }
  return NESTED_ON_ONE_LINE.test(text) ? `is nested deeper than ${DEPTH_MAX}` : undefined;
}

/** Reads all documents of a text; never throws. */
export function parseSource(text: string): SourceText {
  const lines = new LineCounter();
  const json = /^\uFEFF?\s*[{[]/.test(text);
  const fault = textFault(text);
  if (fault !== undefined) {
    return { documents: [], problems: [{ place: { line: 1, column: 1 }, message: fault }], json };
  }
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false, version: "1.2" } as const;
  const documents = parseAllDocuments(text, options);
  const problems: { place: Place; message: string }[] = [];
  const nodes: SourceNode[] = [];
  for (const document of Array.isArray(documents) ? documents : []) {
    for (const error of document.errors) problems.push({ place: placeAt(lines, error.pos[0]), message: error.message });
    if (document.errors.length > 0 || document.contents === null) continue;
    const reader = new TreeReader(lines);
    const node = reader.read(document.contents, 0);
    if (reader.problem !== undefined) problems.push(reader.problem);
    else if (!(node.kind === "scalar" && node.value === null)) nodes.push(node);
  }
  problems.splice(PROBLEMS_MAX);
  if (json && problems.length > 0) return { documents: [], problems: [jsonProblem(text) ?? problems[0]!], json };
  return { documents: problems.length > 0 ? [] : nodes, problems, json };
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

/** JSON's own words for a syntax error: "Expected ',' or '}' after property value". */
function jsonProblem(text: string): { place: Place; message: string } | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    const said = (error as Error).message;
    const at = /at position (\d+)/.exec(said);
    const reason = said.replace(/(?: in JSON)? at position .*$/, "").replace(/, \.*".*is not valid JSON$/s, "");
    const message = `is not JSON: ${reason}`;
    const before = at === null ? text : text.slice(0, Number(at[1]));
    const line = before.split("\n").length;
    return { place: { line, column: before.length - before.lastIndexOf("\n") }, message };
  }
}

class TreeReader {
  problem: { place: Place; message: string } | undefined;
  readonly #lines: LineCounter;
  /** What an alias means: the last node of that name before it, also where it is read again for another alias. */
  readonly #anchors = new Map<string, unknown>();
  readonly #targets = new Map<object, unknown>();
  #expanding = 0;
  #count = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  read(node: unknown, depth: number): SourceNode {
    const place = this.#placeOf(node);
    if (++this.#count > NODES_MAX || depth > DEPTH_MAX) {
      this.problem ??= { place, message: depth > DEPTH_MAX ? `is nested deeper than ${DEPTH_MAX}` : "is too large" };
      return { kind: "scalar", place, value: null };
    }
    if (isAlias(node)) return this.#expand(node, place, depth);
    this.#noteAnchor(node);
    if (isSeq(node)) return { kind: "list", place, items: node.items.map((item) => this.read(item, depth + 1)) };
    if (isMap(node)) return { kind: "map", place, entries: this.#entries(node.items, depth) };
    const value = isScalar(node) ? node.value : null;
    const plain = typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
    return { kind: "scalar", place, value: plain };
  }

  #entries(pairs: readonly { readonly key: unknown; readonly value: unknown }[], depth: number): SourceEntry[] {
    const keys = new Set<string>();
    return pairs.map((pair) => {
      this.#noteAnchor(pair.key);
      const keyPlace = this.#placeOf(pair.key);
      const key = String(isScalar(pair.key) ? pair.key.value : pair.key);
      if (keys.has(key)) this.problem ??= { place: keyPlace, message: "Map keys must be unique" };
      keys.add(key);
      const value = pair.value === null
        ? { kind: "scalar" as const, place: keyPlace, value: null }
        : this.read(pair.value, depth + 1);
      return { key, keyPlace, value };
    });
  }

  #noteAnchor(node: unknown): void {
    const anchor = isScalar(node) || isSeq(node) || isMap(node) ? node.anchor : undefined;
    // Reading a node again for an alias must not bring back a name that was given anew since.
    if (anchor !== undefined && this.#expanding === 0) this.#anchors.set(anchor, node);
  }

  #expand(alias: Alias, place: Place, depth: number): SourceNode {
    const target = this.#targets.get(alias) ?? this.#anchors.get(alias.source);
    if (target === undefined) {
      this.problem ??= { place, message: `names the unknown anchor "${alias.source}"` };
      return { kind: "scalar", place, value: null };
    }
    this.#targets.set(alias, target);
    this.#expanding++;
    const node = this.read(target, depth + 1);
    this.#expanding--;
    return node;
  }

  #placeOf(node: unknown): Place {
    const range = (node as Node | null)?.range;
    return placeAt(this.#lines, range?.[0] ?? 0);
  }
}
