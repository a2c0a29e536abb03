import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { answerQuery, parseWait, type QuerySource } from "./blocking.ts";
import type { ApiRequest } from "./types.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

class Source implements QuerySource {
  value = 7;
  wakes = new Set<() => void>();
  jitter = 0;
  index = (): number => this.value;
  read = (): number => this.value;
  random = (): number => this.jitter;
  consistency = (): { knownLeader: boolean; lastContactMs: number } => ({ knownLeader: true, lastContactMs: 0 });
  subscribe = (wake: () => void): (() => void) => {
    this.wakes.add(wake);
    return () => void this.wakes.delete(wake);
  };
  change(to: number): void {
    this.value = to;
    for (const wake of this.wakes) wake();
  }
}

function request(query: string, signal = new AbortController().signal): ApiRequest {
  return {
    method: "GET", path: "/", params: {}, query: new URLSearchParams(query), headers: {}, token: "", peer: undefined,
    remoteAddress: "", body: () => Promise.resolve(Buffer.alloc(0)), json: () => Promise.resolve(undefined), signal,
  };
}

test("without an index, or with an old one, the answer comes at once with Consul's headers", async () => {
  const answer = await answerQuery(request("index=3"), new Source());
  expect(answer.headers).toMatchObject({
    "x-consul-index": "7", "x-consul-knownleader": "true", "x-consul-lastcontact": "0",
  });
  expect(answer.body).toBe("7");
});

test("pitfall 14: an index from the future is answered at once, and the index is never 0", async () => {
  const source = new Source();
  expect((await answerQuery(request("index=99"), source)).body).toBe("7");
  source.value = 0;
  expect((await answerQuery(request(""), source)).headers?.["x-consul-index"]).toBe("1");
});

test("waits for a change, ignores wake-ups that change nothing, and leaves no listener or timer", async () => {
  const source = new Source();
  const answer = answerQuery(request("index=7"), source);
  await vi.advanceTimersByTimeAsync(60_000);
  source.change(7);
  expect(source.wakes.size).toBe(1);
  source.change(8);
  expect((await answer).body).toBe("8");
  expect(source.wakes.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("gives up after the wait and at most a sixteenth more", async () => {
  const source = new Source();
  source.jitter = 0.999;
  let done = false;
  const answer = answerQuery(request("index=7&wait=16s"), source).then(() => (done = true));
  await vi.advanceTimersByTimeAsync(16_900);
  expect(done).toBe(false);
  await vi.advanceTimersByTimeAsync(101);
  await answer;
});

test("ends when the client goes away", async () => {
  const gone = new AbortController();
  const source = new Source();
  const answer = answerQuery(request("index=7", gone.signal), source);
  gone.abort();
  await answer;
  expect(source.wakes.size).toBe(0);
});

test("wait is a Go duration, ten minutes at most", () => {
  expect(parseWait("1m30s")).toBe(90_000);
  expect(parseWait("500ms")).toBe(500);
  expect(parseWait(null)).toBe(300_000);
  expect(parseWait("2h")).toBe(600_000);
  expect(() => parseWait("10")).toThrow("not a duration");
  expect(() => parseWait("-1s")).toThrow("not a duration");
});
