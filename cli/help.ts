/** `--help` and the man page's synopsis: examples first, then what each word means. */
import { type CommandSpec, type OptionSpec, optionsOf } from "./spec.ts";
import type { Style } from "./terminal.ts";
import { GROUPS, MESH } from "./tree/mesh.ts";

const COLUMN = 28;
const WIDTH = 100;

export function synopsis(path: readonly string[], spec: CommandSpec): string {
  const words = (spec.positionals ?? []).map((p) => {
    const name = p.name.toUpperCase() + (p.variadic === true ? "..." : "");
    return p.optional === true ? `[${name}]` : name;
  });
  if (spec.load === undefined) words.push("COMMAND");
  return [...path, "[OPTIONS]", ...words].join(" ");
}

/** `-f, --file FILE`, `--no-ui`, `--format FORMAT`. */
export function optionUsage(option: OptionSpec): string {
  const name = option.onByDefault === true ? `--no-${option.name}` : `--${option.name}`;
  const value = option.type === "boolean" ? "" : ` ${option.placeholder ?? option.choices?.join("|") ?? "VALUE"}`;
  return `${option.short === undefined ? "" : `-${option.short}, `}${name}${value}`;
}

export function renderHelp(path: readonly string[], spec: CommandSpec, style: Style): string {
  const title = (text: string): string => style.bold(text);
  const blocks = [`${path.join(" ")}: ${spec.summary}\n`];
  if (spec.examples !== undefined) {
    const lines = spec.examples.map((e) => `  ${style.cyan(e.command)}\n      ${e.does}\n`);
    blocks.push(`${title("Examples")}\n${lines.join("")}`);
  }
  blocks.push(`${title("Usage")}\n  ${synopsis(path, spec)}\n`);
  if (spec.details !== undefined) blocks.push(wrap(spec.details, WIDTH).map((l) => `${l}\n`).join(""));
  const entries = (pairs: readonly (readonly [string, string])[]): string => pairs.map((p) => entry(...p)).join("");
  if (spec === MESH) {
    for (const group of GROUPS) {
      blocks.push(`${title(group.title)}\n${entries(group.commands.map((c) => [c.name, c.summary]))}`);
    }
  } else if (spec.subcommands !== undefined) {
    blocks.push(`${title("Commands")}\n${entries(spec.subcommands.map((c) => [c.name, c.summary]))}`);
  }
  if (spec.positionals !== undefined) {
    blocks.push(`${title("Arguments")}\n${entries(spec.positionals.map((p) => [p.name.toUpperCase(), p.describe]))}`);
  }
  const ends = "Exit codes: 0 ok, 1 failed or a negative answer, 2 usage, 3 unreachable, 4 not permitted, "
    + "5 timed out,\n130 interrupted (a daemon that is stopped in order ends with 0)\n";
  if (spec.load === undefined) blocks.push(`${path.join(" ")} COMMAND --help shows a command's options.\n`);
  else blocks.push(`${title("Options")}\n${entries(optionsOf(spec).map((o) => [optionUsage(o), o.describe]))}`);
  if (spec === MESH) blocks.push(ends);
  return blocks.join("\n");
}

function entry(name: string, text: string): string {
  const [first = "", ...more] = wrap(text, WIDTH - COLUMN - 4);
  const lead = name.length > COLUMN ? `  ${name}\n  ${" ".repeat(COLUMN)}  ` : `  ${name.padEnd(COLUMN)}  `;
  return `${lead}${first}\n${more.map((line) => `  ${" ".repeat(COLUMN)}  ${line}\n`).join("")}`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return line === "" ? lines : [...lines, line];
}
