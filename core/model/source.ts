/**
 * JSON or YAML text as a tree that knows where everything stands, so that an error can say file:line:column. JSON is
 * read by the same YAML parser (it is a subset); only its syntax errors are worded by JSON's own.
 */
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseAllDocuments, type Document, type Node } from "yaml";

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

/** Reads all documents of a text; never throws. */
export function parseSource(text: string): SourceText {
  const lines = new LineCounter();
  const json = /^\uFEFF?\s*[{[]/.test(text);
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: "1.2" } as const;
  const documents = parseAllDocuments(text, options);
  const problems: { place: Place; message: string }[] = [];
  const nodes: SourceNode[] = [];
  for (const document of Array.isArray(documents) ? documents : []) {
    for (const error of document.errors) problems.push({ place: placeAt(lines, error.pos[0]), message: error.message });
    if (document.errors.length > 0 || document.contents === null) continue;
    const reader = new TreeReader(document, lines);
    const node = reader.read(document.contents, 0);
    if (reader.problem !== undefined) problems.push(reader.problem);
    else if (!(node.kind === "scalar" && node.value === null)) nodes.push(node);
  }
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
  readonly #document: Document;
  readonly #lines: LineCounter;
  #count = 0;

  constructor(document: Document, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  read(node: unknown, depth: number): SourceNode {
    const place = this.#placeOf(node);
    if (++this.#count > NODES_MAX || depth > DEPTH_MAX) {
      this.problem ??= { place, message: depth > DEPTH_MAX ? `is nested deeper than ${DEPTH_MAX}` : "is too large" };
      return { kind: "scalar", place, value: null };
    }
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target !== undefined) return this.read(target, depth + 1);
      this.problem ??= { place, message: `names the unknown anchor "${node.source}"` };
    }
    if (isSeq(node)) return { kind: "list", place, items: node.items.map((item) => this.read(item, depth + 1)) };
    if (isMap(node)) {
      const entries = node.items.map((pair) => ({
        key: String(isScalar(pair.key) ? pair.key.value : pair.key),
        keyPlace: this.#placeOf(pair.key),
        value: pair.value === null
          ? { kind: "scalar" as const, place: this.#placeOf(pair.key), value: null }
          : this.read(pair.value, depth + 1),
      }));
      return { kind: "map", place, entries };
    }
    const value = isScalar(node) ? node.value : null;
    const plain = typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
    return { kind: "scalar", place, value: plain };
  }

  #placeOf(node: unknown): Place {
    const range = (node as Node | null)?.range;
    return placeAt(this.#lines, range?.[0] ?? 0);
  }
}
