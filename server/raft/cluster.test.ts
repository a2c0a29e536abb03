import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { raftConfig } from "../../core/raft/config.ts";
import type { Message } from "../../core/raft/messages.ts";
import { Raft } from "../../core/raft/raft.ts";
import { createLogger } from "../../io/logger.ts";
import { LogStore } from "../../io/storage/log-store.ts";
import { RaftDriver } from "./driver.ts";

/** Three drivers with real disks, joined by calls: the same driver that runs one node runs a cluster. */
const root = mkdtempSync(join(tmpdir(), "mesh-raft-cluster-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const VOTERS = ["a", "b", "c"];
const log = createLogger({ name: "raft-test", level: "silent" });

interface Member {
  readonly id: string;
  readonly driver: RaftDriver;
  readonly store: LogStore;
  readonly fsm: { list: string[]; restored: number };
}

class Network {
  readonly members = new Map<string, Member>();

  send(messages: readonly Message[]): void {
    for (const message of messages) setImmediate(() => void this.#deliver(message));
  }

  async #deliver(message: Message): Promise<void> {
    const [from, to] = [this.members.get(message.from), this.members.get(message.to)];
    if (to === undefined) from?.driver.peerUnreachable(message.to);
    if (from === undefined || to === undefined) return;
    if (message.type === "snapshot") {
      const snapshot = await from.store.snapshots.read(message.snapshot.index);
      if (snapshot !== undefined) await to.store.snapshots.save(snapshot.meta, snapshot.data);
      from.driver.snapshotSent(message.to, snapshot !== undefined);
      if (snapshot === undefined) return;
    }
    to.driver.step(message);
  }
}

async function joinCluster(network: Network, id: string): Promise<Member> {
  const store = await LogStore.open({ dir: join(root, id), nodeId: id, bootstrap: false });
  const state = { list: [] as string[], restored: 0 };
  const fsm = {
    apply: (_index: number, command: Uint8Array) => state.list.push(Buffer.from(command).toString()),
    snapshot: () => Buffer.from(JSON.stringify(state.list)),
    restore(snapshot: Uint8Array) {
      state.list = JSON.parse(Buffer.from(snapshot).toString()) as string[];
      state.restored++;
    },
    stateHash: () => state.list.join(),
  };
  if (store.snapshot !== undefined) fsm.restore(store.snapshot.data);
  const raft = new Raft(raftConfig({ id }), { ...store.restored, membership: { voters: VOTERS } }, Math.random);
  const limits = { tickMs: 30, snapshotEntries: 40, keptEntries: 5 };
  const send = (messages: readonly Message[]): void => network.send(messages);
  const driver = new RaftDriver({ nodeId: id, raft, store, fsm, log, limits, send });
  const member = { id, driver, store, fsm: state };
  network.members.set(id, member);
  driver.start();
  return member;
}

async function until(what: string, met: () => boolean): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!met()) {
    if (performance.now() > endMs) throw new Error(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const leaderOf = (network: Network): Member | undefined =>
  [...network.members.values()].find((m) => m.driver.status().state === "leader");

/** Proposes at whoever leads; a refusal means that it was not taken, so it is tried again. */
async function propose(network: Network, text: string): Promise<void> {
  for (;;) {
    await until("a leader", () => leaderOf(network) !== undefined);
    const refusal = await leaderOf(network)!.driver.propose(Buffer.from(text)).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refusal === undefined) return;
    expect(refusal).toMatchObject({ code: expect.stringMatching(/^NO_LEADER$|^NOT_LEADER$/) });
  }
}

test("three servers: replication, reads at a follower, failover, snapshot (thesis 3, 5.3, 6.4)", async () => {
  const network = new Network();
  for (const id of VOTERS) await joinCluster(network, id);
  await Promise.all(Array.from({ length: 30 }, (_, i) => propose(network, `x${i}`)));
  const follower = [...network.members.values()].find((m) => m !== leaderOf(network))!;
  expect(await follower.driver.readIndex()).toBeGreaterThanOrEqual(31);
  expect(follower.fsm.list.length).toBe(30);
  const refused = await follower.driver.propose(Buffer.from("no")).catch((e: unknown) => e);
  expect(refused).toMatchObject({ code: expect.stringMatching(/^NO_LEADER$|^NOT_LEADER$/) });

  // Cut off, it takes a proposal that it can never commit; the others go on, and cut their logs.
  await until("a leader", () => leaderOf(network) !== undefined);
  const first = leaderOf(network)!;
  network.members.delete(first.id);
  const lost = first.driver.propose(Buffer.from("lost")).catch((e: unknown) => e);
  for (let i = 0; i < 100; i++) await propose(network, `y${i}`);
  network.members.set(first.id, first);
  const members = [...network.members.values()];
  await until("all are equal", () => members.every((m) => m.fsm.list.length === 130));
  expect(first.fsm.restored).toBe(1);
  expect(await lost).toMatchObject({ code: "TIMEOUT", message: expect.stringContaining("may or may not") });

  // Off and on again: the log and the snapshot on disk bring it back.
  const [off] = members.splice(0, 1);
  network.members.delete(off!.id);
  await off!.driver.close();
  await propose(network, "z");
  members.push(await joinCluster(network, off!.id));
  await until("all are equal", () => members.every((m) => m.fsm.list.length === 131));
  expect(new Set(members.map((m) => m.fsm.list.join())).size).toBe(1);
  network.members.clear();
  for (const member of members) await member.driver.close();
});
