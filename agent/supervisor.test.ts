import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ProxySnapshot } from "../core/model/snapshot.ts";
import { createLogger } from "../io/logger.ts";
import { ProxyControl } from "./control.ts";
import { ProxySupervisor } from "./supervisor.ts";

const log = createLogger({ name: "t", level: "silent" });
const TINY = resolve(import.meta.dirname, "testdata/tiny-proxy.mjs");
const snapshot = (version: number): ProxySnapshot => ({
  version, node: "n1", trustDomain: "t.mesh", rootsPem: [], inbound: { host: "127.0.0.1", port: 0 }, identities: [],
  locals: [], outbounds: [],
});
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

let folder: string;
let control: ProxyControl;
let supervisor: ProxySupervisor;
let acks: number[];
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), "mesh-control-")); });
afterEach(async () => {
  await supervisor.stop(0);
  control.close();
  rmSync(folder, { recursive: true });
});

async function start(mode: string, command = [process.execPath, TINY, mode]): Promise<void> {
  const path = join(folder, "control.sock");
  acks = [];
  control = new ProxyControl({
    path, log, pid: () => supervisor.pid,
    onChange: () => {
      const { ackedVersion } = control.status();
      if (ackedVersion !== 0 && acks.at(-1) !== ackedVersion) acks.push(ackedVersion);
    },
  });
  supervisor = new ProxySupervisor({
    command: [...command, "--socket", path], cacheDir: join(folder, "compiled"), log,
    shutdown: (graceMs) => control.shutdown(graceMs),
  });
  await control.listen();
  supervisor.start();
}
const poll = { timeout: 5_000, interval: 5 };
const acked = (version: number): Promise<void> =>
  expect.poll(() => control.status().ackedVersion, poll).toBe(version);

test("a snapshot is pushed on hello and acknowledged; stats and dump are answered", async () => {
  await start("ok");
  control.push(snapshot(1));
  await acked(1);
  expect(control.status()).toMatchObject({ connected: true, pid: supervisor.pid, nack: "", wantedVersion: 1 });
  expect(control.status().listeners[0]!.address).toMatch(/^127\.0\.0\.1:\d+$/);
  const [stats, dump] = await Promise.all([control.stats(), control.dump()]);
  expect(stats.requests[0]!.count).toBe(7);
  expect(dump).toMatchObject({ listeners: [] });
});

test("while the proxy works on one snapshot, newer ones replace each other", async () => {
  await start("slow");
  control.push(snapshot(1));
  await acked(1);
  for (const version of [2, 3, 4, 5]) control.push(snapshot(version));
  await acked(5);
  expect(acks).toEqual([1, 2, 5]);
});

test("a refused snapshot is shown with its reason, the one before stays in force", async () => {
  await start("nack");
  control.push(snapshot(1));
  await acked(1);
  control.push(snapshot(2));
  await expect.poll(() => control.status().nack, poll).toBe("no");
  expect(control.status().ackedVersion).toBe(1);
});

test("kill -9: back on the last snapshot within a second", async () => {
  await start("ok");
  control.push(snapshot(3));
  await acked(3);
  const { pid } = supervisor;
  const from = performance.now();
  process.kill(pid!, "SIGKILL");
  await expect.poll(() => control.status().ackedVersion === 3 && supervisor.pid !== pid, poll).toBe(true);
  expect(performance.now() - from).toBeLessThan(1_000);
  expect(supervisor.status()).toEqual({ restarts: 1, lastExit: "signal SIGKILL" });
});

test("a proxy that cannot start is tried again with growing pauses", async () => {
  await start("crash");
  await expect.poll(() => supervisor.status().restarts, poll).toBeGreaterThanOrEqual(2);
  expect(supervisor.status().lastExit).toBe("exit code 3");
  await expect(control.stats()).rejects.toMatchObject({ code: "UNREACHABLE" });
});

test("a program that is not there is reported, not thrown", async () => {
  await start("", ["/no/such/proxy"]);
  await expect.poll(() => supervisor.status().lastExit, poll).toMatch(/ENOENT/);
});

test("the proxy is in our process group, and after disarming an end is the end", async () => {
  await start("ok");
  control.push(snapshot(1));
  await acked(1);
  const pid = supervisor.pid!;
  const group = (of: number): string => readFileSync(`/proc/${of}/stat`, "utf8").replace(/^.*\) /, "").split(" ")[2]!;
  expect(group(pid)).toBe(group(process.pid));
  supervisor.disarm();
  process.kill(pid, "SIGKILL");
  await expect.poll(() => [control.status().connected, supervisor.pid], poll).toEqual([false, undefined]);
  expect(supervisor.status().restarts).toBe(0);
});

test("a shutdown ends the proxy, and so does the end of its control connection", async () => {
  await start("ok");
  control.push(snapshot(1));
  await acked(1);
  const pid = supervisor.pid!;
  await supervisor.stop(1_000);
  expect(alive(pid)).toBe(false);
  await start("ok");
  control.push(snapshot(1));
  await acked(1);
  supervisor.disarm();
  const second = supervisor.pid!;
  control.close();
  await expect.poll(() => alive(second), poll).toBe(false);
});

test("only the process that was started may speak: any other peer is cut off and gets no keys", async () => {
  await start("ok");
  control.push(snapshot(1));
  await acked(1);
  expect(statSync(dirname(join(folder, "control.sock"))).mode & 0o077).toBe(0);
  expect(statSync(join(folder, "control.sock")).mode & 0o077).toBe(0);
  const received: Buffer[] = [];
  await new Promise<void>((done) => {
    const intruder = connect(join(folder, "control.sock"));
    intruder.on("data", (bytes: Buffer) => received.push(bytes));
    intruder.on("error", () => undefined);
    intruder.on("close", () => done());
  });
  expect(received).toEqual([]);
  expect(control.status()).toMatchObject({ connected: true, ackedVersion: 1 });
});
