import type { CommandSpec, OptionSpec } from "../spec.ts";

const FILES: OptionSpec = {
  name: "file", short: "f", type: "list", placeholder: "FILE", complete: "file",
  describe: "YAML or JSON documents; - for standard input; may be given again",
};
const ADDRESSED = { name: "resource", describe: "KIND or KIND/NAME", optional: true } as const;

export const APPLY: CommandSpec = {
  name: "apply",
  summary: "create or change configuration documents (ServiceDefaults, Intention)",
  details: "All documents of all files are applied, or none.",
  examples: [
    { command: "mesh apply -f defaults.yaml", does: "apply a file" },
    { command: "mesh apply -f - < all.yaml", does: "from standard input" },
  ],
  options: [FILES],
  load: () => import("../commands/apply.ts"),
};

export const GET: CommandSpec = {
  name: "get",
  summary: "show configuration documents",
  examples: [
    { command: "mesh get", does: "all of them" },
    { command: "mesh get ServiceDefaults/web --format yaml", does: "one, ready to edit and apply" },
  ],
  positionals: [ADDRESSED],
  load: () => import("../commands/get.ts"),
};

export const DELETE: CommandSpec = {
  name: "delete",
  summary: "delete configuration documents",
  examples: [{ command: "mesh delete ServiceDefaults/web", does: "by kind and name" }],
  positionals: [{ name: "resource", describe: "KIND/NAME", optional: true }],
  options: [FILES],
  load: () => import("../commands/delete.ts"),
};

export const VALIDATE: CommandSpec = {
  name: "validate",
  summary: "check files without a server: configuration documents and service definitions",
  examples: [{ command: "mesh validate -f web.json -f defaults.yaml", does: "exit code 2 if one is wrong" }],
  positionals: [{ name: "path", describe: "files to check", optional: true, variadic: true, complete: "file" }],
  options: [FILES],
  shares: "none",
  load: () => import("../commands/validate.ts"),
};
