/** One command line from words to exit code. */
import { type Io, chooseFormat, createContext } from "./context.ts";
import { EXIT_INTERRUPTED, Interrupted, asMeshError, renderError } from "./errors.ts";
import { renderHelp } from "./help.ts";
import { parseArgs } from "./parse.ts";
import { type Resolved, resolveCommand, unknownVerb } from "./resolve.ts";
import { FORMATS, type Format } from "./spec.ts";
import { type Style, createStyle, wantsColor, wantsUnicode } from "./terminal.ts";
import { MESH, UNBUILT } from "./tree/mesh.ts";

export async function runCli(words: readonly string[], io: Io): Promise<number> {
  let format = guessFormat(words);
  try {
    const resolved = resolveCommand(MESH, words);
    if (resolved.wantsHelp || words.length === 0 || isHelpVerb(resolved)) return help(resolved, words, io);
    if (resolved.spec === MESH && words[0] === "--version") return await runSpec(versionOf(words), io);
    const group = resolved.spec.load === undefined;
    const stray = resolved.spec.subcommands !== undefined && resolved.rest.some((w) => !w.startsWith("-"));
    // `mesh agent` runs by itself and has subcommands: a stray word is a mistyped one.
    if (group || (stray && (resolved.spec.positionals ?? []).length === 0 && firstIsWord(resolved))) {
      throw unknownVerb(resolved, UNBUILT);
    }
    format = guessFormat(resolved.rest);
    return await runSpec(resolved, io);
  } catch (error) {
    if (error instanceof Interrupted) return EXIT_INTERRUPTED;
    const meshError = asMeshError(error);
    io.stderr.write(renderError(meshError, format, errStyle(io)));
    return meshError.exit;
  }
}

async function runSpec(resolved: Resolved, io: Io): Promise<number> {
  const args = await parseArgs(resolved);
  const { run } = await resolved.spec.load!();
  const context = createContext(io, args);
  try {
    return await run(context, args);
  } finally {
    context.close();
  }
}

const versionOf = (words: readonly string[]): Resolved => resolveCommand(MESH, ["version", ...words.slice(1)]);

/** `mesh help`, `mesh help intention create`. */
const isHelpVerb = ({ path, spec, rest }: Resolved): boolean =>
  path.length === 2 && path[1] === "help" && spec.load === undefined && rest.every((w) => w !== "errors");

/** The word right after the verb: `mesh agent regster`; not the value of an option that follows. */
const firstIsWord = ({ rest }: Resolved): boolean => rest[0] !== undefined && !rest[0].startsWith("-");

function help(resolved: Resolved, words: readonly string[], io: Io): number {
  const about = isHelpVerb(resolved) ? resolveCommand(MESH, words.filter((w) => w !== "help")) : resolved;
  const unknown = about.rest.find((w) => !w.startsWith("-"));
  if (about.spec === MESH && unknown !== undefined) throw unknownVerb(about, UNBUILT);
  const style = createStyle(wantsColor("auto", io.env, io.stdout.isTTY === true), wantsUnicode(io.env));
  io.stdout.write(renderHelp(about.path, about.spec, style));
  return 0;
}

/** An error must be in the wanted format even when the command line itself is wrong. */
function guessFormat(words: readonly string[]): Format {
  const at = words.findIndex((w) => w === "--format" || w.startsWith("--format="));
  const value = at < 0 ? undefined : words[at]!.includes("=") ? words[at]!.split("=")[1] : words[at + 1];
  return FORMATS.find((f) => f === value) ?? chooseFormat(undefined);
}

const errStyle = (io: Io): Style =>
  createStyle(wantsColor("auto", io.env, io.stderr.isTTY === true), wantsUnicode(io.env));

