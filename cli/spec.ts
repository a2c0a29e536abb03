/**
 * The shape of the command tree. The tree is plain data (cli/tree/): parsing, help, completion, the man page and the
 * tests all read the same entries, and a command's code is loaded only when it runs.
 */
import type { Context } from "./context.ts";
import type { Args } from "./args.ts";

/** What completion offers for a value: names known to the catalog, or paths (left to the shell). */
export type Completes = "service" | "node" | "file" | "folder";

export interface OptionSpec {
  readonly name: string;
  readonly type: "string" | "number" | "boolean" | "list";
  readonly describe: string;
  /** Names the value in help: `--data-dir DIR`. */
  readonly placeholder?: string;
  readonly short?: string;
  readonly choices?: readonly string[];
  readonly complete?: Completes;
  /** A boolean that is on unless `--no-NAME` is given. */
  readonly onByDefault?: boolean;
}

export interface PositionalSpec {
  readonly name: string;
  readonly describe: string;
  readonly optional?: boolean;
  /** Takes all that is left; only the last one can. */
  readonly variadic?: boolean;
  readonly choices?: readonly string[];
  readonly complete?: Completes;
}

export interface Example {
  readonly command: string;
  readonly does: string;
}

/** What a command's file exports. The number is the exit code. */
export interface CommandModule {
  readonly run: (context: Context, args: Args) => Promise<number>;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** More than the summary, for `--help` and the man page. */
  readonly details?: string;
  readonly examples?: readonly Example[];
  readonly positionals?: readonly PositionalSpec[];
  readonly options?: readonly OptionSpec[];
  readonly subcommands?: readonly CommandSpec[];
  /** Which of the options that many commands share it takes; `client` when left out. */
  readonly shares?: "read" | "client" | "none";
  /** Runs until a signal, which it handles itself. */
  readonly daemon?: boolean;
  readonly load?: () => Promise<CommandModule>;
}

export const FORMATS = ["table", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

const HELP: OptionSpec = { name: "help", short: "h", type: "boolean", describe: "show this help" };

const COLOR: OptionSpec = {
  name: "color", type: "string", choices: ["auto", "always", "never"], placeholder: "WHEN",
  describe: "when to use colours",
};

const CLIENT: readonly OptionSpec[] = [
  { name: "http-addr", type: "string", placeholder: "ADDRESS",
    describe: "where the HTTP API is: HOST:PORT, a URL, or unix:PATH (MESH_HTTP_ADDR)" },
  { name: "token-file", type: "string", placeholder: "FILE", complete: "file",
    describe: "file that holds the token (MESH_TOKEN_FILE, or the token itself in MESH_TOKEN)" },
  { name: "namespace", short: "n", type: "string", placeholder: "NAME",
    describe: "namespace of names that carry none (MESH_NAMESPACE, else default)" },
  { name: "timeout", type: "string", placeholder: "DURATION", describe: "for one request, such as 5s (default 10s)" },
];

const READ: OptionSpec = {
  name: "format", type: "string", choices: FORMATS, placeholder: "FORMAT",
  describe: "table, json or yaml (default table)",
};

/** Every option that the command takes, its own first. */
export function optionsOf(spec: CommandSpec): readonly OptionSpec[] {
  const own = spec.options ?? [];
  if (spec.shares === "none") return [...own, READ, COLOR, HELP];
  return [...own, READ, ...CLIENT, COLOR, HELP];
}
