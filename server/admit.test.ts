import { expect, test } from "vitest";
import { createCatalog } from "../core/catalog/catalog.ts";
import { type Command, encodeCommand } from "../core/catalog/commands.ts";
import { Admission } from "./admit.ts";

const JOINED_MS = 1_800_000_000_000;
const BACKDATED_MS = 300_000;

test("a revoked host's certificate stays worthless after another host has taken its name", () => {
  const catalog = createCatalog();
  const admission = new Admission(catalog);
  let index = 0;
  const apply = (command: Command, nowMs: number): void => {
    expect(catalog.apply(++index, encodeCommand(command, { requestId: "", nowMs }))).toMatchObject({ ok: true });
  };
  const join = (id: string, nowMs: number): void => {
    const expMs = nowMs + 1_000;
    apply({ type: "ticket.create", id, secretHash: id, expMs, role: "agent", allow: ["*"] }, nowMs);
    apply({
      type: "ticket.redeem", id, node: "web-1", nodeId: `host-of-${id}`, csrKeyHash: id, address: "10.0.0.1",
      inboundPort: 15_008,
    }, nowMs);
  };
  const call = (issuedAtMs: number) => (): void =>
    admission.admit({ kind: "node", name: "web-1", notBeforeMs: Math.floor(issuedAtMs / 1000) * 1000 - BACKDATED_MS });

  expect(call(JOINED_MS)).toThrow("not in the catalog");
  join("first", JOINED_MS);
  expect(call(JOINED_MS + 5)).not.toThrow();
  apply({ type: "node.revoke", name: "web-1" }, JOINED_MS + 10_000);
  expect(call(JOINED_MS + 5)).toThrow("revoked");
  join("second", JOINED_MS + 20_000);
  expect(call(JOINED_MS + 5)).toThrow("from before");
  expect(call(JOINED_MS + 20_001)).not.toThrow();
  // What it said of the host outlives the ticket.
  for (const id of ["first", "second"]) apply({ type: "ticket.delete", id }, JOINED_MS + 30_000);
  expect(call(JOINED_MS + 5)).toThrow("from before");
});
