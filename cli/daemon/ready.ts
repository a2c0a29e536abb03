import { readFileSync, rmSync, statSync } from "node:fs";

/**
 * Whoever waits for the ready file must not read that of an earlier run, and its secrets must not outlive the daemon:
 * it is removed now, and when this process ends, unless another daemon has written it since. Call it before anything
 * starts.
 */
export function claimReadyFile(file: string | undefined): void {
  if (file === undefined || statSync(file, { throwIfNoEntry: false })?.isFile() === false) return;
  rmSync(file, { force: true });
  process.once("exit", () => {
    if (pidIn(file) === process.pid) rmSync(file, { force: true });
  });
}

function pidIn(file: string): unknown {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { pid?: unknown }).pid;
  } catch {
    return undefined; // never written, or not ours
  }
}
