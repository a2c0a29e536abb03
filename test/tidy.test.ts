/**
 * What a machine can check of the house rules: layers, bans, lengths, dead files. Each message says why the rule is
 * there. Comments and strings are blanked before the bans are looked for.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const TOP = ["core", "io", "server", "agent", "proxy", "cli", "test", "bench", "examples"];

/** Which folders each folder may import from: arrows point only downwards. */
const LAYERS: Record<string, readonly string[]> = {
  core: ["core"],
  io: ["core", "io"],
  server: ["core", "io", "server"],
  agent: ["core", "io", "agent"],
  proxy: ["core", "io", "proxy"],
  cli: ["core", "io", "cli"],
  examples: ["examples", "core", "io", "cli"],
  bench: [...TOP],
  test: [...TOP],
};

/** Pure packages that core/ may use, and where. */
const CORE_PACKAGES: Record<string, RegExp> = {
  "node-forge": /^core\/x509\//,
  zod: /^core\/model\//,
  yaml: /^core\/model\//,
};

/** Files that are started or loaded by name, not imported. */
const ENTRIES = [
  "cli/main.ts", "cli/man.ts", "proxy/main.ts", "server/main.ts", "agent/main.ts", "bench/main.ts",
  "examples/bookinfo/demo.ts", "test/run.ts",
];

const FILE_LINES_MAX = 400;
const LINE_COLUMNS_MAX = 120;

interface Source {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** Text without comments and string contents. */
  readonly code: string;
}

const EXEMPT = /(^|\/)(gen|node_modules|dist)\/|\.config\.ts$/;

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return walk(path);
    return entry.name.endsWith(".ts") ? [relative(ROOT, path)] : [];
  });
}

/** Good enough for this code: no regular expression here contains a quote that would derail it for more than a line. */
function blank(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, " "))
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, (s) => s[0] + " ".repeat(s.length - 2) + s[0])
    .replace(/`(?:[^`\\$]|\\.|\$(?!\{))*`/g, (s) => s.replace(/[^\n`]/g, " "))
    .replace(/(^|\s)\/\/[^\n]*/g, (c) => c.replace(/[^\n]/g, " "));
}

function load(path: string): Source {
  const text = readFileSync(join(ROOT, path), "utf8");
  return { path, text, lines: text.split("\n"), code: blank(text) };
}

const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.startsWith("test/");
const sources = TOP.flatMap((top) => walk(join(ROOT, top))).filter((p) => !EXEMPT.test(p)).map(load);

function importsOf(source: Source): string[] {
  const found = source.text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g);
  return [...found].map((match) => match[1]!);
}

function resolved(source: Source, specifier: string): string {
  return relative(ROOT, resolve(ROOT, dirname(source.path), specifier));
}

function findAll(where: readonly Source[], pattern: RegExp, why: string): string[] {
  return where.flatMap((s) => s.code.split("\n").flatMap((line, i) =>
    pattern.test(line) ? [`${s.path}:${i + 1}: ${s.lines[i]?.trim()} (${why})`] : []));
}

test("imports point downwards", () => {
  const wrong = sources.flatMap((source) => {
    const allowed = LAYERS[source.path.split("/")[0]!]!;
    return importsOf(source).filter((s) => s.startsWith(".")).flatMap((specifier) => {
      const target = resolved(source, specifier).split("/")[0]!;
      const bad = !allowed.includes(target) && !isTest(source.path);
      return bad ? [`${source.path} imports ${specifier}: ${target}/ is not below it`] : [];
    });
  });
  // The CLI loads a program's main by dynamic import only: starting `mesh services` must not load the server.
  const program = /^cli\/.* imports (\.\.\/)+(server|agent|proxy)\/main\.ts:/;
  expect(wrong.filter((line) => !program.test(line))).toEqual([]);
});

test("the CLI loads programs lazily", () => {
  const cli = sources.filter((s) => s.path.startsWith("cli/") && !isTest(s.path));
  const main = /^import (?!type).*"(\.\.\/.*(?:server|agent|proxy)\/main\.ts)"/gm;
  const eager = cli.flatMap((s) => [...s.text.matchAll(main)].map((m) => `${s.path}: ${m[1]} wants import()`));
  expect(eager).toEqual([]);
});

test("core/ imports nothing from outside but the allowed pure packages", () => {
  const wrong = sources.filter((s) => s.path.startsWith("core/") && !isTest(s.path)).flatMap((source) =>
    importsOf(source).filter((s) => !s.startsWith(".")).flatMap((specifier) => {
      const name = specifier.split("/")[0]!;
      const where = CORE_PACKAGES[name];
      return where?.test(source.path) ? [] : [`${source.path} imports ${specifier}: decisions need no I/O`];
    }));
  expect(wrong).toEqual([]);
});

test("core/ asks neither clock, chance nor the event loop", () => {
  const core = sources.filter((s) => s.path.startsWith("core/") && !isTest(s.path));
  const words = "Date|performance|Promise|setTimeout|setInterval|queueMicrotask|console|Buffer|process";
  const banned = new RegExp(`(?<![.\\w"])(${words})\\b(?!\\s*[?]?:)|\\bMath\\.random\\b|\\basync\\b|\\bawait\\b`);
  expect(findAll(core, banned, "a core is told, it never asks: pass it in")).toEqual([]);
});

test("no construct that hides or cannot be erased", () => {
  const all = sources.filter((s) => s.path !== "test/tidy.test.ts");
  expect(findAll(all, /^\s*export \*/, "name what is exported")).toEqual([]);
  expect(findAll(all, /^\s*export default/, "default exports have no name")).toEqual([]);
  expect(findAll(all, /^\s*(export )?(const )?enum /, "enums are not erasable")).toEqual([]);
  expect(findAll(all, /@ts-(ignore|nocheck)/, "types are not optional")).toEqual([]);
  expect(findAll(all, /rejectUnauthorized:\s*false/, "every peer is verified")).toEqual([]);
  expect(findAll(all, /\b(it|test|describe)\.(only|todo)\b/, "every test runs")).toEqual([]);
});

test("the environment is read by the command line alone", () => {
  const rest = sources.filter((s) => !/^(cli|test|bench|examples)\//.test(s.path) && !isTest(s.path));
  expect(findAll(rest, /process\.env\b/, "options come in through the composition root")).toEqual([]);
});

test("files and lines keep to their length", () => {
  const long = sources.filter((s) => s.lines.length > FILE_LINES_MAX + 1)
    .map((s) => `${s.path}: ${s.lines.length} lines, at most ${FILE_LINES_MAX}: split it by what it decides`);
  const wide = sources.flatMap((s) => s.lines.flatMap((line, i) =>
    line.length > LINE_COLUMNS_MAX ? [`${s.path}:${i + 1}: ${line.length} columns, at most ${LINE_COLUMNS_MAX}`] : []));
  expect(long).toEqual([]);
  expect(wide).toEqual([]);
});

test("length rules are lifted only for hot files that say why", () => {
  const lifted = sources.filter((s) => /oxlint-disable\s+max-(lines-per-function|params)/.test(s.text));
  expect(lifted.filter((s) => !/^\/\/ hot: \S/m.test(s.text)).map((s) => s.path)).toEqual([]);
});

test("no file is dead", () => {
  const relatives = (s: Source): string[] => importsOf(s).filter((i) => i.startsWith("."));
  const used = new Set(sources.flatMap((s) => relatives(s).map((i) => resolved(s, i))));
  const named = sources.map((s) => s.text).join("\n");
  const dead = sources.map((s) => s.path).filter((path) =>
    !isTest(path) && !used.has(path) && !ENTRIES.includes(path) && !named.includes(`${path.split("/").at(-1)}"`));
  expect(dead).toEqual([]);
});

test("every export is used somewhere else", () => {
  const words = new Map<string, number>();
  for (const source of sources) {
    for (const word of new Set(source.text.match(/[A-Za-z_$][\w$]*/g))) words.set(word, (words.get(word) ?? 0) + 1);
  }
  const unused = sources.filter((s) => !isTest(s.path)).flatMap((s) =>
    [...s.text.matchAll(/^export (?:async )?(?:function|const|class) ([\w$]+)/gm)]
      .filter((m) => words.get(m[1]!) === 1)
      .map((m) => `${s.path}: ${m[1]} is used nowhere else: drop the export, or the code`));
  expect(unused).toEqual([]);
});
