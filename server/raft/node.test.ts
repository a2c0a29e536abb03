import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, test } from "vitest";
import { MeshError } from "../../core/base/errors.ts";
import { raftConfig } from "../../core/raft/config.ts";
import { Raft } from "../../core/raft/raft.ts";
import { createLogger } from "../../io/logger.ts";
import { LogStore } from "../../io/storage/log-store.ts";
import { RaftDriver } from "./driver.ts";
import type { DriverLimits } from "./limits.ts";
import { openRaftNode, type Fsm, type RaftNode } from "./node.ts";

const root = mkdtempSync(join(tmpdir(), "mesh-raft-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
const newDir = (): string => join(root, `server-${folders++}`);
const log = createLogger({ name: "raft-test", level: "silent" });

/** Keeps the list of commands as text; a command "boom" throws. */
class ListFsm implements Fsm {
  list: string[] = [];
  restored = 0;
  apply(_index: number, command: Uint8Array): unknown {
    const text = Buffer.from(command).toString();
    if (text === "boom") throw new Error("the state machine has a fault");
    return this.list.push(text);
  }
  snapshot(): Uint8Array {
    return Buffer.from(JSON.stringify(this.list));
  }
  restore(snapshot: Uint8Array): void {
    this.restored++;
    this.list = JSON.parse(Buffer.from(snapshot).toString()) as string[];
  }
  stateHash(): string {
    return this.list.join();
  }
}

async function open(dataDir: string, fsm: Fsm, limits: Partial<DriverLimits> = {}): Promise<RaftNode> {
  return openRaftNode({ dataDir, nodeId: "a", fsm, log, bootstrap: true, limits });
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const codeOf = (error: unknown): string => (error instanceof MeshError ? error.code : String(error));

describe("one server", () => {
  test("leads at once, applies in order, answers with index and result", async () => {
    const fsm = new ListFsm();
    const startMs = performance.now();
    const node = await open(newDir(), fsm);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    const leading = { id: "a", leader: "a", term: 1, peers: ["a"], state: "leader", appliedIndex: 1 };
    expect(node.status()).toMatchObject(leading);
    expect(await node.propose(bytes("x"))).toEqual({ index: 2, result: 1 });
    const many = await Promise.all(Array.from({ length: 100 }, (_, i) => node.propose(bytes(`c${i}`))));
    expect(many.map((m) => m.result)).toEqual(Array.from({ length: 100 }, (_, i) => i + 2));
    expect(await node.readIndex()).toBe(102);
    expect(node.status()).toMatchObject({ appliedIndex: 102, commitIndex: 102 });
    await node.close();
    expect(node.status()).toMatchObject({ state: "closed", leader: undefined });
    expect(codeOf(await node.propose(bytes("y")).catch((e: unknown) => e))).toBe("UNREACHABLE");
  });

  test("a restart replays the log, in a new term, with all of it applied before it is handed out", async () => {
    const dir = newDir();
    const first = await open(dir, new ListFsm());
    for (const text of ["a", "b", "c"]) await first.propose(bytes(text));
    await first.close();
    const fsm = new ListFsm();
    const again = await open(dir, fsm);
    expect(fsm.list).toEqual(["a", "b", "c"]);
    expect(again.status()).toMatchObject({ term: 2, state: "leader" });
    await again.close();
  });

  test("snapshots bound the log; a restart restores the newest and replays what follows", async () => {
    const dir = newDir();
    const node = await open(dir, new ListFsm(), { snapshotEntries: 50, keptEntries: 10 });
    for (let i = 0; i < 180; i += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, k) => node.propose(bytes(`c${i + k}`))));
    }
    await node.close();
    expect(readdirSync(join(dir, "raft/snapshots")).length).toBeLessThanOrEqual(3);
    const fsm = new ListFsm();
    const again = await open(dir, fsm);
    expect([fsm.restored, fsm.list.length, fsm.list.at(-1)]).toEqual([1, 180, "c179"]);
    await again.close();
  });

  test("a server that neither begins a cluster nor was added waits, and says that there is no leader", async () => {
    const node = await openRaftNode({ dataDir: newDir(), nodeId: "a", fsm: new ListFsm(), log, bootstrap: false });
    expect(node.status()).toMatchObject({ state: "follower", leader: undefined, peers: [] });
    expect(codeOf(await node.propose(bytes("x")).catch((e: unknown) => e))).toBe("NO_LEADER");
    expect(codeOf(await node.readIndex().catch((e: unknown) => e))).toBe("NO_LEADER");
    await node.close();
  });

  test("pitfall 11: what is waiting is bounded, and a refusal says that nothing was changed", async () => {
    const fsm = new ListFsm();
    const node = await open(newDir(), fsm, { maxPendingProposals: 5, maxCommandBytes: 10 });
    const results = await Promise.allSettled(Array.from({ length: 9 }, (_, i) => node.propose(bytes(`c${i}`))));
    const refused = results.filter((r) => r.status === "rejected").map((r) => codeOf(r.reason));
    expect(refused).toEqual(["LIMITED", "LIMITED", "LIMITED", "LIMITED"]);
    expect(fsm.list.length).toBe(5);
    expect(codeOf(await node.propose(new Uint8Array(11)).catch((e: unknown) => e))).toBe("TOO_LARGE");
    await node.close();
  });

  test("pitfall 12: a proposal under way when the server stops has an unknown outcome, not a failed one", async () => {
    const dir = newDir();
    const node = await open(dir, new ListFsm());
    const outcome = node.propose(bytes("perhaps")).catch((e: unknown) => e);
    await node.close();
    const result = await outcome;
    if (result instanceof MeshError) expect(result.code).toBe("TIMEOUT");
    const fsm = new ListFsm();
    await (await open(dir, fsm)).close();
    if (!(result instanceof MeshError)) expect(fsm.list).toEqual(["perhaps"]);
  });

  test("pitfall 13: a state machine that throws stops the node; what waits is unknown", async () => {
    const node = await open(newDir(), new ListFsm());
    const told: string[] = [];
    node.onFatal((error) => told.push(error.code));
    expect(codeOf(await node.propose(bytes("boom")).catch((e: unknown) => e))).toBe("TIMEOUT");
    expect(told).toEqual(["INTERNAL"]);
    expect(node.status()).toMatchObject({ state: "failed", leader: undefined });
    expect(codeOf(await node.propose(bytes("x")).catch((e: unknown) => e))).toBe("INTERNAL");
    node.onFatal((error) => told.push(error.code));
    expect(told.length).toBe(2);
    await node.close();
  });

  test("pitfall 19: a disk that refuses a write stops the node; whether it was written is unknown", async () => {
    const store = await LogStore.open({ dir: newDir(), nodeId: "a", bootstrap: true });
    const raft = new Raft(raftConfig({ id: "a" }), store.restored, Math.random);
    const driver = new RaftDriver({ nodeId: "a", raft, store, fsm: new ListFsm(), log });
    driver.start();
    await driver.elect();
    const told = new Promise<MeshError>((resolve) => driver.onFatal(resolve));
    await store.close();
    expect(codeOf(await driver.propose(bytes("x")).catch((e: unknown) => e))).toBe("TIMEOUT");
    expect(await told).toMatchObject({ code: "STORAGE_FAILED" });
    expect(driver.status().state).toBe("failed");
    await driver.close();
  });

  test("a damaged folder is refused, with what to do", async () => {
    const dir = newDir();
    await (await open(dir, new ListFsm())).close();
    const name = readdirSync(join(dir, "raft/log")).find((n) => n.endsWith(".log"))!;
    const path = join(dir, "raft/log", name);
    const log = readFileSync(path);
    log[Math.floor(log.length / 2)]! ^= 4;
    writeFileSync(path, log);
    const error = await open(dir, new ListFsm()).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "STORAGE_CORRUPT", fix: expect.stringContaining("backup") });
  });
});

/** Proposes as fast as it can and prints each number once it was acknowledged. */
const WRITER = `
const { openRaftNode } = await import(process.argv[1]);
const { createLogger } = await import(process.argv[2]);
const fsm = { apply: () => 0, snapshot: () => new Uint8Array(1), restore() {}, stateHash: () => "" };
const log = createLogger({ name: "writer", level: "silent" });
const node = await openRaftNode({ dataDir: process.argv[3], nodeId: "a", fsm, log, bootstrap: true });
let next = Number(process.argv[4]);
await Promise.all(Array.from({ length: 8 }, async () => {
  for (;;) {
    const mine = next++;
    await node.propose(Buffer.from(String(mine)));
    process.stdout.write(mine + "\\n");
  }
}));
`;

/** Runs the writer until it has acknowledged `count` commands, then kills it; returns all that it acknowledged. */
async function writeAndKill(dataDir: string, from: number, count: number): Promise<number[]> {
  const here = (path: string): string => resolve(import.meta.dirname, path);
  const args = ["--input-type=module", "-e", WRITER, here("node.ts"), here("../../io/logger.ts"), dataDir, `${from}`];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const acknowledged: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line));
    if (acknowledged.length === count) child.kill("SIGKILL");
  }
  return acknowledged;
}

test("pitfall 1, 16: kill -9 in the middle of writing loses nothing that was acknowledged", async () => {
  const dir = newDir();
  const acknowledged: number[] = [];
  for (const round of [0, 1]) acknowledged.push(...(await writeAndKill(dir, round * 100_000, 150)));
  expect(acknowledged.length).toBeGreaterThanOrEqual(300);
  const fsm = new ListFsm();
  await (await open(dir, fsm)).close();
  const kept = new Set(fsm.list.map(Number));
  expect(acknowledged.filter((n) => !kept.has(n))).toEqual([]);
  expect(kept.size).toBe(fsm.list.length);
});
