import { describe, expect, test } from "vitest";
import { accepted, append, ask, consent, drain, heartbeat, leader, node, tell } from "../../test/sim/raft-harness.ts";
import { raftConfig } from "./config.ts";
import { Raft } from "./raft.ts";

describe("elections", () => {
  test("thesis 9.6: a pre-vote raises no term, at neither end", () => {
    const raft = node({ terms: [1] });
    raft.campaign();
    expect(raft.status()).toMatchObject({ role: "preCandidate", term: 1 });
    const sent = drain(raft);
    expect(sent.map((m) => [m.type, m.to, m.term])).toEqual([["preVote", "b", 2], ["preVote", "c", 2]]);
    const other = node({ terms: [1] });
    expect(tell(other, "b", 2, ask("preVote", 1, 1))).toMatchObject([{ type: "preVoteReply", granted: true, term: 2 }]);
    expect(other.status().term).toBe(1);
  });

  test("thesis 6.4: a majority of pre-votes raises the term, one of votes makes a leader with a no-op", () => {
    const raft = node({ terms: [1] });
    raft.campaign();
    drain(raft);
    const votes = tell(raft, "c", 2, consent("preVoteReply"));
    expect(votes.map((m) => [m.type, m.term])).toEqual([["vote", 2], ["vote", 2]]);
    const appends = tell(raft, "c", 2, consent("voteReply"));
    expect(raft.status()).toMatchObject({ role: "leader", leader: "a", term: 2 });
    const noop = { type: "noop", term: 2 };
    expect(appends[0]).toMatchObject({ type: "append", prevIndex: 1, prevTerm: 1, entries: [noop] });
  });

  test("pitfall 1: vote and term are on disk before the answer goes out", () => {
    const raft = node();
    raft.step({ from: "b", to: "a", term: 3, ...ask("vote", 0, 0) });
    const ready = raft.ready();
    expect(ready.messages).toEqual([]);
    expect(ready).toMatchObject({ mustSync: true, hardState: { term: 3, vote: "b" } });
    expect(ready.messagesAfterSync).toMatchObject([{ type: "voteReply", granted: true }]);
  });

  test("thesis 3.4: one vote per term, also after a restart", () => {
    const raft = node({ term: 3, vote: "b" });
    expect(tell(raft, "c", 3, ask("vote", 9, 3))).toMatchObject([{ granted: false }]);
    expect(tell(raft, "b", 3, ask("vote", 9, 3))).toMatchObject([{ granted: true }]);
  });

  test("thesis 3.6.1: no vote for a log that is behind", () => {
    const raft = node({ terms: [1, 2] });
    expect(tell(raft, "b", 3, ask("vote", 5, 1))).toMatchObject([{ granted: false }]);
    expect(tell(raft, "b", 4, ask("preVote", 1, 2))).toMatchObject([{ granted: false }]);
    expect(tell(raft, "b", 5, ask("vote", 2, 2))).toMatchObject([{ granted: true }]);
  });

  test("pitfall 4: while a leader is heard, no vote is given and the term stays", () => {
    const raft = node({ term: 1 });
    tell(raft, "b", 1, heartbeat);
    for (let i = 0; i < 4; i++) raft.tick();
    expect(tell(raft, "c", 9, ask("vote", 9, 9))).toEqual([]);
    expect(tell(raft, "c", 9, ask("preVote", 9, 9))).toEqual([]);
    expect(raft.status()).toMatchObject({ term: 1, leader: "b" });
    raft.tick();
    drain(raft);
    expect(tell(raft, "c", 9, ask("vote", 9, 9))).toMatchObject([{ granted: true }]);
  });

  test("pitfall 3: a pre-candidate that is refused with a higher term takes it over and can be led again", () => {
    const raft = node({ term: 1 });
    raft.campaign();
    drain(raft);
    tell(raft, "b", 4, consent("preVoteReply", false));
    expect(raft.status()).toMatchObject({ role: "follower", term: 4 });
    tell(raft, "b", 4, heartbeat);
    expect(raft.status().leader).toBe("b");
  });

  test("pitfall 3: a leader of an older term learns the newer one from whom it tries to lead", () => {
    const raft = node({ terms: [1, 1], term: 5 });
    // Index 0 claims nothing: were it read by a leader of term 5, it must not count as a copy of anything.
    const reply = { type: "appendReply", term: 5, rejected: false, index: 0 };
    expect(tell(raft, "b", 3, heartbeat)).toMatchObject([reply]);
    expect(tell(raft, "b", 3, append(0, 0, []))).toMatchObject([reply]);
    const old = leader();
    tell(old, "b", 5, accepted(0));
    expect(old.status()).toMatchObject({ role: "follower", term: 5 });
  });

  test("thesis 6.2 (CheckQuorum): a leader without an answer from a majority steps down", () => {
    const raft = leader();
    for (let i = 0; i < 5; i++) raft.tick();
    expect(raft.status().role).toBe("leader");
    tell(raft, "c", 1, { type: "heartbeatReply", round: 0 });
    for (let i = 0; i < 5; i++) raft.tick();
    expect(raft.status().role).toBe("leader");
    for (let i = 0; i < 5; i++) raft.tick();
    expect(raft.status()).toMatchObject({ role: "follower", leader: undefined, term: 1 });
  });

  test("timeouts are drawn from [n, 2n)", () => {
    const restored = { hardState: { term: 0, vote: "", commit: 0 }, base: { index: 0, term: 0 }, entries: [] };
    for (const [dice, ticks] of [[0, 5], [0.999, 9]] as const) {
      const membership = { voters: ["a", "b"] };
      const config = raftConfig({ id: "a", electionTicks: 5 });
      const raft = new Raft(config, { ...restored, snapshot: undefined, membership }, () => dice);
      for (let i = 1; i < ticks; i++) raft.tick();
      expect(raft.status().role).toBe("follower");
      raft.tick();
      expect(raft.status().role).toBe("preCandidate");
    }
  });
});
