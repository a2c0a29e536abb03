/** Finds the command that the words of a command line mean, before anything is parsed. */
import { MeshError } from "../core/base/errors.ts";
import { nearest } from "../core/base/nearest.ts";
import { type CommandSpec, type OptionSpec, optionsOf } from "./spec.ts";

export interface Resolved {
  /** From the program down to the command, such as `["mesh", "intention", "create"]`. */
  readonly path: readonly string[];
  readonly spec: CommandSpec;
  /** What is left for the command's own parser: options before the verb come too. */
  readonly rest: readonly string[];
  readonly wantsHelp: boolean;
}

/** The option that a word such as `--format`, `--no-ui` or `-n` names. */
export function findOption(word: string, options: readonly OptionSpec[]): OptionSpec | undefined {
  const [name = ""] = word.replace(/^--?/, "").split("=");
  if (!word.startsWith("--")) return options.find((o) => o.short === name);
  return options.find((o) => o.name === name)
    ?? options.find((o) => o.type === "boolean" && `no-${o.name}` === name);
}

/** The word is an option whose value is the next word. */
export function takesNext(word: string, options: readonly OptionSpec[]): boolean {
  if (word.includes("=")) return false;
  const option = findOption(word, options);
  return option !== undefined && option.type !== "boolean";
}

/** Walks down the tree by the words that are no options; stops at the first that names no subcommand. */
export function resolveCommand(root: CommandSpec, words: readonly string[]): Resolved {
  const path = [root.name];
  const rest: string[] = [];
  let spec = root;
  let wantsHelp = false;
  let walking = true;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") {
      rest.push(...words.slice(i));
      break;
    }
    if (word.startsWith("-") && word !== "-") {
      if (word === "--help" || word === "-h") wantsHelp = true;
      rest.push(word);
      if (takesNext(word, optionsOf(spec)) && i + 1 < words.length) rest.push(words[++i]!);
      continue;
    }
    const child = walking ? spec.subcommands?.find((c) => c.name === word) : undefined;
    if (child === undefined) {
      walking = false;
      rest.push(word);
    } else {
      spec = child;
      path.push(word);
    }
  }
  return { path, spec, rest, wantsHelp };
}

/** For a group that cannot run by itself: what was asked for does not exist, or nothing was. */
export function unknownVerb(resolved: Resolved, unbuilt: ReadonlySet<string>): MeshError {
  const { path, spec, rest } = resolved;
  const word = rest.find((w) => !w.startsWith("-"));
  const group = path.join(" ");
  const verbs = (spec.subcommands ?? []).map((c) => c.name);
  if (word === undefined) {
    return new MeshError("USAGE", `${group} needs a subcommand: ${verbs.join(", ")}`, { fix: `${group} --help` });
  }
  const full = [...path.slice(1), word].join(" ");
  if (unbuilt.has(full)) {
    return new MeshError("NOT_BUILT", `mesh ${full} is planned but this version does not have it`, {
      fix: "mesh --help lists what there is",
    });
  }
  const near = nearest(word, verbs);
  return new MeshError("USAGE", `"${word}" is not a command of ${group}`, {
    fix: near === undefined ? `${group} --help lists the commands` : `did you mean: ${group} ${near}`,
  });
}
