/**
 * Answers of `mesh __complete WORD...` for the shells: the last word is the one being typed (possibly empty), the
 * others stand before it. One candidate a line, `candidate<TAB>description`. Paths are left to the shell: `:file` and
 * `:folder`.
 */
import { findOption, resolveCommand, takesNext } from "./resolve.ts";
import { type Completes, type OptionSpec, type PositionalSpec, optionsOf } from "./spec.ts";
import type { Env } from "./terminal.ts";
import { MESH } from "./tree/mesh.ts";

/** Names come from a running mesh: Tab must not hang when there is none. */
const NAMES_TIMEOUT_MS = 700;

export async function complete(words: readonly string[], env: Env): Promise<string[]> {
  const typing = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { spec, rest } = resolveCommand(MESH, before);
  const options = optionsOf(spec);
  const previous = before.at(-1);
  if (previous !== undefined && previous.startsWith("-") && takesNext(previous, options)) {
    return values(findOption(previous, options)!, typing, env);
  }
  const assigned = /^(--[^=]+)=(.*)$/.exec(typing);
  if (assigned !== null) {
    const option = findOption(assigned[1]!, options);
    const found = option === undefined ? [] : await values(option, assigned[2]!, env);
    return found.map((line) => (line.startsWith(":") ? line : `${assigned[1]}=${line}`));
  }
  if (typing.startsWith("-")) return matching(spec.load === undefined ? [] : options.flatMap(optionNames), typing);
  const positional = positionalAt(spec.positionals ?? [], rest, options);
  const found = positional === undefined ? [] : await values(positional, typing, env);
  if (rest.some((w) => !w.startsWith("-"))) return found;
  return [...matching((spec.subcommands ?? []).map((c) => `${c.name}\t${c.summary}`), typing), ...found];
}

function optionNames(option: OptionSpec): string[] {
  return [`${option.onByDefault === true ? "--no-" : "--"}${option.name}\t${option.describe}`];
}

const matching = (lines: readonly string[], typing: string): string[] => lines.filter((l) => l.startsWith(typing));

function positionalAt(
  positionals: readonly PositionalSpec[], rest: readonly string[], options: readonly OptionSpec[],
): PositionalSpec | undefined {
  const isValue = (i: number): boolean =>
    i > 0 && rest[i - 1]!.startsWith("-") && takesNext(rest[i - 1]!, options);
  const given = rest.filter((word, i) => (word === "-" || !word.startsWith("-")) && !isValue(i));
  const last = positionals.at(-1);
  return positionals[given.length] ?? (last?.variadic === true ? last : undefined);
}

interface Valued {
  readonly choices?: readonly string[];
  readonly complete?: Completes;
}

async function values(wanted: Valued, typing: string, env: Env): Promise<string[]> {
  if (wanted.choices !== undefined) return matching(wanted.choices, typing);
  if (wanted.complete === "file" || wanted.complete === "folder") return [`:${wanted.complete}`];
  if (wanted.complete === undefined) return [];
  return matching(await namesOf(wanted.complete, env), typing);
}

/** Names that the API knows; none when it cannot be asked in time. */
async function namesOf(what: "service" | "node", env: Env): Promise<string[]> {
  try {
    const [{ createContext }, { createArgs }, api] = await Promise.all([
      import("./context.ts"), import("./args.ts"), import("./api.ts"),
    ]);
    const silent = { write: () => undefined };
    const signal = AbortSignal.timeout(NAMES_TIMEOUT_MS);
    const io = { env, stdin: process.stdin, stdout: silent, stderr: silent, signal };
    const context = createContext(io, createArgs({}));
    try {
      const found = what === "service"
        ? Object.keys(await api.serviceTags(context.client()))
        : (await api.nodes(context.client())).map((n) => n.name);
      return found.sort();
    } finally {
      context.close();
    }
  } catch {
    return [];
  }
}
