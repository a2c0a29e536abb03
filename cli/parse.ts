import yargs from "yargs";
import { MeshError } from "../core/base/errors.ts";
import { nearest } from "../core/base/nearest.ts";
import { type Args, createArgs } from "./args.ts";
import { type Resolved, takesNext } from "./resolve.ts";
import { type CommandSpec, type OptionSpec, optionsOf } from "./spec.ts";

const CONFIGURATION = {
  "camel-case-expansion": false,
  "dot-notation": false,
  "parse-numbers": false,
  "parse-positional-numbers": false,
  "duplicate-arguments-array": true,
  "greedy-arrays": false,
  "strip-aliased": true,
  "short-option-groups": true,
};

/** Parses the words of one command; throws USAGE with the nearest known name for what it does not know. */
export async function parseArgs({ path, spec, rest }: Resolved): Promise<Args> {
  const command = path.join(" ");
  const options = optionsOf(spec);
  const parser = yargs(joinValues(rest, options, command))
    // Messages are matched by people and by searches: the same in every locale.
    .locale("en").help(false).version(false).exitProcess(false).showHelpOnFail(false)
    .parserConfiguration(CONFIGURATION)
    .fail((message: string | undefined, error: Error | undefined) => {
      throw new MeshError("USAGE", message ?? error?.message ?? "", { fix: `${command} --help` });
    });
  for (const option of options) {
    parser.option(option.name, {
      type: option.type === "boolean" ? "boolean" : "string",
      ...(option.type === "boolean" ? {} : { requiresArg: true }),
      ...(option.short === undefined ? {} : { alias: option.short }),
    });
  }
  const parsed = (await parser.parseAsync()) as Record<string, unknown>;
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(parsed)) {
    if (key === "_" || key === "$0") continue;
    const option = options.find((o) => o.name === key);
    if (option === undefined) throw unknownOption(key, options, command);
    if (value !== undefined) values[key] = typed(option, value, command);
  }
  Object.assign(values, positionals(spec, (parsed["_"] as unknown[]).map(String), command));
  return createArgs(values);
}

/** `--file -` as `--file=-`: the parser would take a value that begins with a hyphen for an option. */
function joinValues(words: readonly string[], options: readonly OptionSpec[], command: string): string[] {
  const joined: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const value = words[i + 1];
    if (word === "--") return [...joined, ...words.slice(i)];
    if (word.startsWith("-") && word !== "-" && takesNext(word, options)) {
      if (value === undefined) throw new MeshError("USAGE", `${word} needs a value`, { fix: `${command} --help` });
      joined.push(`${word}=${value}`);
      i++;
    } else joined.push(word);
  }
  return joined;
}

function unknownOption(key: string, options: readonly OptionSpec[], command: string): MeshError {
  const dashes = key.length === 1 ? "-" : "--";
  const near = nearest(key, options.map((o) => o.name));
  return new MeshError("USAGE", `${dashes}${key} is not an option of ${command}`, {
    fix: near === undefined ? `${command} --help lists the options` : `did you mean --${near}?`,
  });
}

function typed(option: OptionSpec, value: unknown, command: string): unknown {
  if (option.type === "list") return (Array.isArray(value) ? value : [value]).map(String);
  if (Array.isArray(value)) throw new MeshError("USAGE", `--${option.name} is given twice`, { fix: "give it once" });
  if (option.type === "boolean") return value;
  const text = String(value);
  if (option.choices !== undefined) checkChoice(`--${option.name}`, text, option.choices);
  if (option.type === "string") return text;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new MeshError("USAGE", `--${option.name} must be a whole number, got "${text}"`, { fix: `${command} --help` });
}

function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  const near = nearest(value, choices);
  throw new MeshError("USAGE", `${name} must be one of ${choices.join(", ")}, got "${value}"`, {
    fix: near === undefined ? `write one of ${choices.join(", ")}` : `did you mean ${near}?`,
  });
}

function positionals(spec: CommandSpec, words: readonly string[], command: string): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const wanted = spec.positionals ?? [];
  for (const [i, positional] of wanted.entries()) {
    const given = positional.variadic === true ? words.slice(i) : words.slice(i, i + 1);
    if (given.length === 0 && positional.optional !== true) {
      throw new MeshError("USAGE", `${command} needs ${positional.name.toUpperCase()}: ${positional.describe}`, {
        fix: `${command} --help`,
      });
    }
    if (positional.choices !== undefined) for (const v of given) checkChoice(positional.name, v, positional.choices);
    values[positional.name] = positional.variadic === true ? given : given[0];
  }
  const extra = words[wanted.length];
  if (extra !== undefined && wanted.at(-1)?.variadic !== true) {
    throw new MeshError("USAGE", `"${extra}" is one argument too many for ${command}`, { fix: `${command} --help` });
  }
  return values;
}
