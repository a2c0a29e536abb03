/**
 * `npm run demo`: a mesh of one server and three hosts on this machine, with bookinfo in it, and a live view.
 * `npm run demo -- --check` asserts what it shows, prints a JSON report and ends with 0 or 1.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { stopBySignal } from "../../cli/daemon/signals.ts";
import { createStyle, wantsColor, wantsUnicode } from "../../cli/terminal.ts";
import { diagnose, runChecks } from "./demo/check.ts";
import { Processes } from "./demo/processes.ts";
import { Traffic } from "./demo/traffic.ts";
import { type Mesh, bringUp } from "./demo/up.ts";
import { look, render } from "./demo/view.ts";

const PER_SECOND = 20;
const REFRESH_MS = 1_000;
/** Without a terminal a picture now and then is enough. */
const PLAIN_EVERY_MS = 10_000;

const { values } = parseArgs({
  options: { check: { type: "boolean", default: false }, keep: { type: "boolean", default: false } },
});

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};


/** A start that is cut short goes on in its own time, into processes that end; nobody waits for it. */
function unlessStopped<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
    work.then(resolve, reject);
  });
}

async function liveView(mesh: Mesh, signal: AbortSignal): Promise<void> {
  const { stdout } = process;
  const style = createStyle(wantsColor("auto", process.env, stdout.isTTY), wantsUnicode(process.env));
  const traffic = new Traffic(mesh.ports.get("productpage")!, PER_SECOND);
  traffic.start();
  try {
    while (!signal.aborted) {
      const picture = render(mesh, await look(mesh, traffic.peek()), style);
      // Home, draw, clear what is left below: no flicker.
      const drawn = picture.replaceAll("\n", "\u001b[K\n");
      stdout.write(stdout.isTTY ? `\u001b[H${drawn}\u001b[J` : picture);
      await delay(stdout.isTTY ? REFRESH_MS : PLAIN_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await traffic.stop();
  }
}

async function main(): Promise<number> {
  const { signal } = stopBySignal(say);
  const start = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "mesh-demo-"));
  const processes = new Processes(folder);
  try {
    const mesh = await unlessStopped(signal, bringUp(folder, processes, say));
    writeFileSync(join(folder, "token"), `${mesh.env["MESH_TOKEN"]}\n`, { mode: 0o600 });
    const startedMs = Math.round(performance.now() - start);
    say(`everything runs after ${(startedMs / 1000).toFixed(1)} s`);
    if (!values.check) {
      if (process.stdout.isTTY) process.stdout.write("\u001b[2J");
      await liveView(mesh, signal);
      return 0;
    }
    const checks = await runChecks(mesh, say, signal);
    const ok = checks.every((c) => c.ok);
    const totalMs = Math.round(performance.now() - start);
    // What each host believes, where something failed: the folder with the logs is about to go.
    const hosts = ok ? undefined : await Promise.all(mesh.hosts.map((host) => diagnose(host)));
    process.stdout.write(`${JSON.stringify({ ok, startedMs, totalMs, checks, hosts }, null, 2)}\n`);
    return ok ? 0 : 1;
  } catch (error) {
    if (signal.aborted) return 130;
    say(`the demo failed: ${(error as Error).message}`);
    return 1;
  } finally {
    await processes.stopAll();
    if (values.keep) say(`kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
