/** `bin/mesh-node cli/man.ts` writes docs/man/mesh.1 from the command tree; a test compares the two. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CODES } from "../core/base/codes.ts";
import { optionUsage, synopsis } from "./help.ts";
import { type CommandSpec, optionsOf } from "./spec.ts";
import { MESH } from "./tree/mesh.ts";

export const MAN_PAGE = resolve(import.meta.dirname, "../docs/man/mesh.1");

const ENVIRONMENT: readonly (readonly [name: string, text: string])[] = [
  ["MESH_HTTP_ADDR", "Where commands find the HTTP API: HOST:PORT, a URL, or unix:PATH. Without it the agent's socket "
    + "/run/mesh/agent.sock is taken where it exists, else 127.0.0.1:8500."],
  ["MESH_TOKEN, MESH_TOKEN_FILE", "The token, or the file that holds it. A local socket needs none for local verbs."],
  ["MESH_NAMESPACE", "Namespace of names that carry none; default is \"default\"."],
  ["MESH_CACERT", "File with the roots to trust for an https address."],
  ["MESH_DATA_DIR, MESH_BIND, MESH_ADVERTISE, MESH_GRPC_PORT, ...", "For server and agent: each flag has a variable of "
    + "its name; the node's name is MESH_NODE_NAME. Flags win over the environment, and that over files."],
  ["MESH_TICKET", "The ticket of a host that joins, where --ticket-file is not given."],
  ["NO_COLOR, CLICOLOR_FORCE, TERM", "Whether colours are used."],
];

const FILES: readonly (readonly [name: string, text: string])[] = [
  ["/etc/mesh.d/*.yaml, *.json", "Configuration of server and agent, merged in the order of their names."],
  ["/etc/mesh.d/services/*.json, *.yaml", "Service definitions that the agent registers when it starts."],
  ["/var/lib/mesh", "State."],
  ["/run/mesh/agent.sock", "The agent's local API."],
];

/** Roff treats a backslash, and a dot or quote at a line's start, as its own. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(['.])/gm, "\\&$1");
}

const paragraph = (term: string, text: string): string => `.TP\n.B ${escape(term)}\n${escape(text)}\n`;

function commandSections(spec: CommandSpec, path: readonly string[]): string {
  const below = (spec.subcommands ?? []).map((c) => commandSections(c, [...path, c.name])).join("");
  if (spec.load === undefined) return below;
  const parts = [`.SS ${escape(synopsis(path, spec))}\n${escape(sentence(spec.summary))}\n`];
  if (spec.details !== undefined) parts.push(`.PP\n${escape(spec.details)}\n`);
  for (const p of spec.positionals ?? []) parts.push(paragraph(p.name.toUpperCase(), p.describe));
  for (const o of spec.options ?? []) parts.push(paragraph(optionUsage(o), o.describe));
  for (const e of spec.examples ?? []) parts.push(`.PP\nExample: ${escape(e.does)}\n.EX\n${escape(e.command)}\n.EE\n`);
  return parts.join("") + below;
}

const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

export function manPage(): string {
  const shared = optionsOf({ name: "", summary: "" });
  return [
    '.\\" Made by "bin/mesh-node cli/man.ts" from the command tree: change that instead.\n',
    '.TH MESH 1 "" "mesh" "User Commands"\n',
    `.SH NAME\nmesh \\- ${escape(MESH.summary)}\n`,
    ".SH SYNOPSIS\n.B mesh\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n",
    `.SH DESCRIPTION\n${escape("One command runs the mesh's programs and speaks to them. Data goes to standard output, "
      + "everything said about it to standard error.")}\n`,
    `.SH OPTIONS\n${escape("Commands that speak to the API take these; those that run a program or ask nobody take "
      + "only the general ones.")}\n`,
    ...shared.map((o) => paragraph(optionUsage(o), o.describe)),
    `.SH COMMANDS\n${commandSections(MESH, ["mesh"])}`,
    `.SH ENVIRONMENT\n${ENVIRONMENT.map((pair) => paragraph(...pair)).join("")}`,
    `.SH FILES\n${FILES.map((pair) => paragraph(...pair)).join("")}`,
    ".SH EXIT STATUS\n",
    ...[["0", "done"], ["1", "failed, or a negative answer (a denied check)"], ["2", "wrong usage or input"],
      ["3", "the API cannot be reached"], ["4", "not permitted"], ["5", "timed out"],
      ["130", "interrupted (a daemon that is stopped in order ends with 0)"],
    ].map(([code, text]) => paragraph(code!, text!)),
    ".SH ERRORS\nEach error has a code that stays the same between versions:\n",
    ...Object.entries(CODES).map(([code, c]) => paragraph(code, `exit status ${c.exit}: ${c.fix}`)),
  ].join("");
}

if (import.meta.main) {
  mkdirSync(dirname(MAN_PAGE), { recursive: true });
  writeFileSync(MAN_PAGE, manPage());
}
