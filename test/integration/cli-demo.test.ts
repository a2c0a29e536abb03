/** `npm run demo -- --check`: the whole of bookinfo, asserted by itself. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ROOT } from "./harness.ts";

const LIMIT_MS = 60_000;

test("the demo's check passes in under a minute", async () => {
  const demo = spawn(join(ROOT, "bin/mesh-node"), [join(ROOT, "examples/bookinfo/demo.ts"), "--check"]);
  const [out, said, [code]] = await Promise.all([
    text(demo.stdout), text(demo.stderr), once(demo, "close") as Promise<[number]>,
  ]);
  const report = JSON.parse(out) as { ok: boolean; totalMs: number; checks: { name: string; ok: boolean }[] };
  expect(report.checks.filter((check) => !check.ok), said).toEqual([]);
  expect([code, report.ok]).toEqual([0, true]);
  expect(report.totalMs).toBeLessThan(LIMIT_MS);
}, 2 * LIMIT_MS);
