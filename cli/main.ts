import { Interrupted } from "./errors.ts";
import { resolveCommand } from "./resolve.ts";
import { runCli } from "./run.ts";
import { MESH } from "./tree/mesh.ts";

async function main(words: readonly string[]): Promise<void> {
  if (words[0] === "__complete") {
    // Runs at every press of Tab: no parser, no API client until a name is wanted.
    const { complete } = await import("./complete.ts");
    process.stdout.write((await complete(words.slice(1), process.env)).map((line) => `${line}\n`).join(""));
    return;
  }
  const stop = new AbortController();
  // Daemons stop in their own way.
  if (resolveCommand(MESH, words).spec.daemon !== true) {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(new Interrupted()));
  }
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // `mesh services | head -1`: the reader has seen enough.
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  process.exitCode = await runCli(words, {
    env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, signal: stop.signal,
  });
}

await main(process.argv.slice(2));
