import { describe, expect, test } from "vitest";
import { SimCluster } from "../../test/sim/raft-cluster.ts";
import { NO_DATA, accepted, drain, heartbeat, leader, node, tell } from "../../test/sim/raft-harness.ts";
import { raftConfig } from "./config.ts";
import type { Raft } from "./raft.ts";

describe("one node", () => {
  test("elects itself, commits its no-op, then commands, each only after its own sync (pitfall 1, etcd #14370)", () => {
    const raft = node({ voters: ["a"] });
    raft.campaign();
    expect(raft.status().role).toBe("candidate");
    const vote = raft.ready();
    expect([vote.mustSync, vote.hardState]).toEqual([true, { term: 1, vote: "a", commit: 0 }]);
    expect(raft.status().role).toBe("candidate");
    raft.advance();
    expect(raft.status().role).toBe("leader");
    const noop = raft.ready();
    expect(noop.entries.map((e) => e.type)).toEqual(["noop"]);
    expect(raft.status().commitIndex).toBe(0);
    raft.advance();
    expect(raft.status().commitIndex).toBe(1);
    expect(raft.propose(Uint8Array.of(7))).toEqual({ ok: true, index: 2, term: 1 });
    const batch = raft.ready();
    expect([batch.entries.length, batch.committed.map((e) => e.index)]).toEqual([1, [1]]);
    raft.advance();
    expect(raft.ready().committed.map((e) => e.index)).toEqual([2]);
  });

  test("group commit: all that is proposed while a batch is written makes the next one", () => {
    const raft = node({ voters: ["a"] });
    raft.campaign();
    drain(raft);
    raft.propose(NO_DATA);
    const first = raft.ready();
    for (let i = 0; i < 5; i++) raft.propose(NO_DATA);
    expect(raft.hasReady()).toBe(false);
    raft.advance();
    expect([first.entries.length, raft.ready().entries.length]).toEqual([1, 5]);
  });

  test("pitfall 2: a read waits for the first commit of the term, later ones are answered at once", () => {
    const raft = node({ voters: ["a"], terms: [1, 1] });
    raft.campaign();
    raft.ready();
    raft.advance();
    expect(raft.readIndex(1)).toBe(true);
    const noop = raft.ready();
    expect(noop.readStates).toEqual([]);
    raft.advance();
    expect(raft.ready().readStates).toEqual([{ context: 1, index: 3 }]);
    raft.advance();
    raft.readIndex(2);
    expect(raft.ready().readStates).toEqual([{ context: 2, index: 3 }]);
  });

  test("a node that is no voter never campaigns and takes no proposals", () => {
    const raft = node({ voters: [] });
    for (let i = 0; i < 50; i++) raft.tick();
    expect([raft.hasReady(), raft.status().role]).toEqual([false, "follower"]);
    expect(raft.propose(NO_DATA)).toEqual({ ok: false, reason: "notLeader" });
    expect(raft.readIndex(1)).toBe(false);
  });
});

describe("reads (thesis 6.4, pitfall 5)", () => {
  /** A leader that has committed an entry of its term. */
  function settled(): Raft {
    const raft = leader();
    tell(raft, "b", 1, accepted(1));
    return raft;
  }

  test("a read is answered after one round in which a majority still followed; all waiting reads share it", () => {
    const raft = settled();
    raft.readIndex(1);
    raft.readIndex(2);
    const beats = raft.ready();
    expect(beats.messages.map((m) => [m.type, m.to])).toEqual([["heartbeat", "b"], ["heartbeat", "c"]]);
    expect(beats.readStates).toEqual([]);
    raft.advance();
    raft.readIndex(3);
    raft.step({ from: "c", to: "a", term: 1, type: "heartbeatReply", round: 1 });
    const answers = raft.ready();
    expect(answers.readStates).toEqual([{ context: 1, index: 1 }, { context: 2, index: 1 }]);
    expect(answers.messages.filter((m) => m.type === "heartbeat")).toMatchObject([{ round: 2 }, { round: 2 }]);
  });

  test("an answer to an earlier round confirms nothing newer", () => {
    const raft = settled();
    raft.readIndex(1);
    drain(raft);
    raft.step({ from: "b", to: "a", term: 1, type: "heartbeatReply", round: 0 });
    expect(raft.hasReady() ? raft.ready().readStates : []).toEqual([]);
  });

  test("a leader that was deposed meanwhile answers nothing", () => {
    const raft = settled();
    raft.readIndex(1);
    drain(raft);
    tell(raft, "c", 2, heartbeat);
    raft.step({ from: "b", to: "a", term: 1, type: "heartbeatReply", round: 1 });
    expect(raft.hasReady()).toBe(false);
  });

  test("a follower asks its leader; without one it says so", () => {
    const sim = new SimCluster({ seed: 4, size: 3 });
    const follower = sim.node("n2");
    expect(follower.raft!.readIndex(1)).toBe(false);
    sim.node("n1").raft!.campaign();
    sim.settle();
    sim.read(follower);
    sim.settle();
    expect(sim.oracle.readsDone).toBe(1);
  });
});

test("pitfall 13: replicas that applied the same entries are in the same state, also after a restart", () => {
  const sim = new SimCluster({ seed: 5, size: 3 });
  sim.node("n1").raft!.campaign();
  sim.settle();
  for (let i = 0; i < 30; i++) sim.propose(sim.node("n1"));
  sim.settle();
  sim.snapshot(sim.node("n2"), 3);
  sim.crash(sim.node("n2"));
  sim.start(sim.node("n2"));
  sim.tickAll(3);
  expect(new Set(sim.nodes.map((n) => `${n.machine.index} ${n.machine.hash}`)).size).toBe(1);
});

test("configuration: relations between limits are asserted", () => {
  expect(() => raftConfig({ id: "" })).toThrow(/id/);
  expect(() => raftConfig({ id: "a", electionTicks: 1 })).toThrow(/electionTicks/);
  expect(() => raftConfig({ id: "a", maxMessageBytes: 2, maxInflightBytes: 1 })).toThrow(/maxInflightBytes/);
});
