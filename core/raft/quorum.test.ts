import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { majority, quorumValue, voteResult } from "./quorum.ts";

/** etcd-io/raft's own vectors: `committed cfg=(1,2) idx=(12,_)`, `----`, a picture, the answer. */
const VECTORS = resolve(import.meta.dirname, "../../../shared/vectors/etcd-raft/quorum/testdata");

interface Vector {
  readonly command: string;
  readonly ids: readonly string[];
  readonly values: readonly string[];
  readonly answer: string;
}

function list(line: string, name: string): string[] {
  const inner = new RegExp(`${name}=\\(([^)]*)\\)`).exec(line)?.[1] ?? "";
  return inner === "" ? [] : inner.split(",").map((v) => v.trim());
}

function load(file: string): Vector[] {
  const path = resolve(VECTORS, file);
  if (!existsSync(path)) return [];
  const blocks = readFileSync(path, "utf8").matchAll(/^(committed|vote)(.*)\n----\n((?:.+\n?)+)/gm);
  return [...blocks].map(([, command, line, output]) => ({
    command: `${command}${line}`,
    ids: list(line!, "cfg"),
    values: [...list(line!, "idx"), ...list(line!, "votes")],
    answer: output!.trim().split("\n").at(-1)!,
  }));
}

const WORDS: Record<string, string> = { VoteWon: "won", VoteLost: "lost", VotePending: "pending" };

describe.skipIf(!existsSync(VECTORS))("etcd's majority vectors (skipped where the vectors folder is not there)", () => {
  // An empty group: etcd says "everything" and "won" for its joint quorums; here nobody may win or commit.
  test.each(load("majority_commit.txt").filter((v) => v.ids.length > 0))("$command", ({ ids, values, answer }) => {
    const index = new Map(ids.map((id, i) => [id, Number(values[i] === "_" ? 0 : values[i])]));
    expect(quorumValue(ids, (id) => index.get(id)!)).toBe(Number(answer));
  });

  test.each(load("majority_vote.txt").filter((v) => v.ids.length > 0))("$command", ({ ids, values, answer }) => {
    const votes = new Map(ids.flatMap((id, i) => (values[i] === "_" ? [] : [[id, values[i] === "y"] as const])));
    expect(voteResult(ids, votes)).toBe(WORDS[answer]);
  });

  test("the files were understood", () => {
    expect(load("majority_commit.txt").length).toBeGreaterThan(15);
    expect(load("majority_vote.txt").length).toBeGreaterThan(15);
  });
});

test("a group without voters elects nobody and commits nothing", () => {
  expect(voteResult([], new Map([["a", true]]))).toBe("lost");
  expect(quorumValue([], () => 7)).toBe(0);
});

test("votes and indexes of strangers do not count", () => {
  expect(voteResult(["a", "b", "c"], new Map([["a", true], ["x", true], ["y", true]]))).toBe("pending");
  expect([1, 2, 3, 4, 5].map(majority)).toEqual([1, 2, 2, 3, 3]);
});
