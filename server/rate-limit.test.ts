import { expect, test } from "vitest";
import { RateLimiter } from "./rate-limit.ts";

test("pitfall 32: each caller has a burst and a rate, and all together another", () => {
  let nowMs = 0;
  const limiter = new RateLimiter({
    each: { burst: 2, perSecond: 1 }, all: { burst: 5, perSecond: 10 }, nowMs: () => nowMs,
  });
  const take = (key: string) => (): void => limiter.take(key, "things");
  take("a")();
  take("a")();
  expect(take("a")).toThrow("too many things");
  expect(take("b")).not.toThrow();
  nowMs = 1_000;
  expect(take("a")).not.toThrow();
  expect(take("a")).toThrow();
  for (const key of ["c", "d", "e", "f"]) take(key)();
  expect(take("g")).toThrow();
  nowMs = 1_100;
  expect(take("g")).not.toThrow();
});

test("a caller that is refused does not pay for it later: the rate is what it is", () => {
  let nowMs = 0;
  const limiter = new RateLimiter({
    each: { burst: 1, perSecond: 1 }, all: { burst: 100, perSecond: 100 }, nowMs: () => nowMs,
  });
  limiter.take("a", "things");
  for (nowMs = 100; nowMs < 1_000; nowMs += 100) expect(() => limiter.take("a", "things")).toThrow();
  nowMs = 1_001;
  expect(() => limiter.take("a", "things")).not.toThrow();
});
