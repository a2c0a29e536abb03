import { describe, expect, test } from "vitest";
import { SimCluster } from "../../test/sim/raft-cluster.ts";
import { NO_DATA, accepted, append, drain, entries, leader, node, tell } from "../../test/sim/raft-harness.ts";
import type { Message } from "./messages.ts";
import type { Restored } from "./raft.ts";
import type { Ready } from "./ready.ts";

describe("replication", () => {
  test("pitfall 2, thesis 3.6.2 (figure 3.7): entries of an older term are not committed by counting", () => {
    const raft = leader({ terms: [1, 2], term: 3 });
    tell(raft, "b", 4, accepted(2));
    expect(raft.status()).toMatchObject({ lastIndex: 3, commitIndex: 0 });
    tell(raft, "b", 4, accepted(3));
    expect(raft.status().commitIndex).toBe(3);
  });

  test("pitfall 1, thesis 10.2.1: appends go out at once, but the leader counts itself only after its sync", () => {
    const raft = leader();
    tell(raft, "b", 1, accepted(1));
    raft.propose(NO_DATA);
    const ready = raft.ready();
    expect(ready.messages.map((m) => [m.type, m.to])).toEqual([["append", "b"]]);
    expect(ready.entries.length).toBe(1);
    raft.step({ from: "b", to: "a", term: 1, ...accepted(2) });
    expect(raft.status().commitIndex).toBe(1);
    raft.advance();
    expect(raft.status().commitIndex).toBe(2);
  });

  test("pitfall 1: a follower's answer waits for its sync", () => {
    const raft = node({ term: 1 });
    raft.step({ from: "b", to: "a", term: 1, ...append(0, 0, entries(1, 1)) });
    const ready: Ready = raft.ready();
    expect([ready.messages, ready.mustSync]).toEqual([[], true]);
    expect(ready.messagesAfterSync).toMatchObject([{ type: "appendReply", index: 1, rejected: false }]);
  });

  test("thesis 3.5: a follower commits only up to what the message proved, whatever follows in its own log", () => {
    const raft = node({ terms: [1, 1, 2, 2], term: 3 });
    tell(raft, "b", 3, append(2, 1, [], 4));
    expect(raft.status().commitIndex).toBe(2);
  });

  test("a heartbeat carries no more commit than that node is known to have", () => {
    const raft = leader();
    raft.propose(NO_DATA);
    drain(raft);
    tell(raft, "b", 1, accepted(2));
    raft.tick();
    const beats = drain(raft).filter((m) => m.type === "heartbeat");
    expect(beats.map((m) => [m.to, m.commit])).toEqual([["b", 2], ["c", 0]]);
  });

  test("thesis 3.5: the leader finds the place where a diverged log parts from its own, a term at a time", () => {
    const sim = new SimCluster({ seed: 1, size: 3 });
    const [a, b] = [sim.node("n1"), sim.node("n2")];
    const disk = (terms: number[]): Restored => ({
      ...a.disk.restored,
      hardState: { term: 7, vote: "", commit: 0 },
      entries: entries(1, ...terms),
    });
    for (const node of sim.nodes) sim.crash(node);
    a.disk.restored = disk([1, 1, 1, 4, 4, 5, 5, 6, 6, 6]);
    b.disk.restored = disk([1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]);
    sim.start(a);
    sim.start(b);
    a.raft!.campaign();
    sim.settle();
    expect(a.raft!.status().role).toBe("leader");
    expect(b.disk.restored.entries.map((e) => e.term)).toEqual([1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]);
  });

  test("pitfall 11: a follower that does not answer holds a bounded number of messages", () => {
    const raft = leader({ config: { maxInflightMessages: 4, maxMessageBytes: 16, maxInflightBytes: 1_000 } });
    tell(raft, "b", 1, accepted(1));
    let sent = 0;
    for (let i = 0; i < 50; i++) {
      raft.propose(NO_DATA);
      sent += drain(raft).filter((m) => m.to === "b" && m.type === "append" && m.entries.length > 0).length;
    }
    expect(sent).toBe(4);
    const more = tell(raft, "b", 1, accepted(3)).filter((m) => m.to === "b" && m.type === "append");
    expect(more.filter((m) => m.type === "append" && m.entries.length > 0).length).toBe(2);
  });

  test("pitfall 11: uncommitted bytes are bounded; one command always fits", () => {
    const raft = leader({ config: { maxUncommittedBytes: 100 } });
    expect(raft.propose(new Uint8Array(500)).ok).toBe(true);
    expect(raft.propose(NO_DATA)).toEqual({ ok: false, reason: "tooMuchUncommitted" });
    drain(raft);
    tell(raft, "b", 1, accepted(2));
    expect(raft.propose(NO_DATA).ok).toBe(true);
  });

  test("a lost burst is found by a heartbeat's answer and sent again", () => {
    const sim = new SimCluster({ seed: 2, size: 3 });
    sim.node("n1").raft!.campaign();
    sim.settle();
    sim.cut.add("n1>n2").add("n1>n3");
    for (let i = 0; i < 20; i++) sim.propose(sim.node("n1"));
    sim.settle();
    sim.cut.clear();
    sim.tickAll(3);
    expect(sim.nodes.map((n) => n.raft!.status().commitIndex)).toEqual([21, 21, 21]);
  });

  test("thesis 5.3, pitfall 10: a follower whose entries are gone gets the snapshot; a stale one is ignored", () => {
    const sim = new SimCluster({ seed: 3, size: 3 });
    const [a, , c] = [sim.node("n1"), sim.node("n2"), sim.node("n3")];
    a.raft!.campaign();
    sim.settle();
    sim.crash(c);
    for (let i = 0; i < 10; i++) sim.propose(a);
    sim.settle();
    sim.snapshot(a, 0);
    sim.propose(a);
    sim.settle();
    sim.start(c);
    sim.tickAll(3);
    expect(c.disk.restored.snapshot?.index).toBe(11);
    expect(c.machine).toEqual(a.machine);
    const stale: Message = { from: "n1", to: "n3", term: 1, type: "snapshot", snapshot: a.disk.restored.snapshot! };
    c.raft!.step(stale);
    expect(c.raft!.ready().messagesAfterSync).toMatchObject([{ type: "appendReply", index: 12, rejected: false }]);
  });
});
