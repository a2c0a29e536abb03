import { describe, expect, test } from "vitest";
import { MAX_TICKETS } from "./apply-access.ts";
import { createCatalog } from "./catalog.ts";
import type { Catalog } from "./catalog.ts";
import { encodeCommand } from "./commands.ts";
import type { ClusterBootstrap, Command, TicketCreate, TicketRedeem } from "./commands.ts";
import { catalogWith, intention, NOW, run } from "./fixture.ts";
import type { ApplyResult } from "./records.ts";

const birth: ClusterBootstrap = {
  type: "cluster.bootstrap", clusterId: "c1", trustDomain: "c1.mesh", root: { id: "r1", pem: "PEM1" },
  sealedCaKey: "key1", sealedGossipKey: "gossip", managementToken: { accessor: "boot", secretHash: "hash-boot" },
};
const ticket = (more: Partial<TicketCreate> = {}): TicketCreate => ({
  type: "ticket.create", id: "t1", secretHash: "s", expMs: NOW + 1000, role: "agent", allow: ["default/web"], ...more,
});
const redeem = (more: Partial<TicketRedeem> = {}): TicketRedeem =>
  ({ type: "ticket.redeem", id: "t1", node: "web-1", nodeId: "h1", csrKeyHash: "k1", ...more });

function born(): Catalog {
  const catalog = createCatalog();
  run(catalog, birth);
  return catalog;
}

describe("birth of the cluster", () => {
  test("makes root, keys and the management token; a retry changes nothing, another birth is refused", () => {
    const catalog = born();
    expect(catalog.cluster()).toMatchObject({ clusterId: "c1", trustDomain: "c1.mesh", sealedCaKey: "key1" });
    expect(catalog.roots()).toEqual([{ id: "r1", pem: "PEM1", active: true }]);
    expect(catalog.tokenByHash("hash-boot")).toMatchObject({ accessor: "boot", roles: ["management"] });
    const before = catalog.stateHash();
    expect(run(catalog, birth).ok).toBe(true);
    expect(run(catalog, { ...birth, clusterId: "c2" })).toMatchObject({ ok: false, code: "CONFLICT" });
    expect(catalog.stateHash()).toBe(before);
  });

  test("the servers' addresses reach every node's topic", () => {
    const catalog = born();
    run(catalog, ticket());
    run(catalog, redeem());
    const seen = catalog.indexOf("node/web-1");
    run(catalog, { type: "cluster.servers", servers: ["b:8300", "a:8300", "b:8300"] });
    expect(catalog.topicItems("node/web-1").get("web-1")).toEqual({
      allow: ["default/web"], clusterId: "c1", trustDomain: "c1.mesh", servers: ["a:8300", "b:8300"],
    });
    expect(catalog.indexOf("node/web-1")).toBeGreaterThan(seen);
  });

  test("a new active root takes over with its key, and the old one stays trusted", () => {
    const catalog = born();
    expect(run(catalog, { type: "ca.root.add", root: { id: "r2", pem: "PEM2", active: true } }).ok).toBe(false);
    run(catalog, { type: "ca.root.add", root: { id: "r2", pem: "PEM2", active: true }, sealedCaKey: "key2" });
    expect(catalog.roots().map((r) => [r.id, r.active])).toEqual([["r1", false], ["r2", true]]);
    expect(catalog.cluster()!.sealedCaKey).toBe("key2");
    expect(catalog.indexOf("roots")).toBe(catalog.appliedIndex);
  });
});

describe("tickets", () => {
  test("redeeming writes the node with the ticket's allow", () => {
    const catalog = born();
    run(catalog, ticket());
    const result = run(catalog, redeem({ address: "10.0.0.7", inboundPort: 15008 }));
    expect(result).toMatchObject({ ok: true, ticket: { redeemed: { node: "web-1", csrKeyHash: "k1" } } });
    expect(catalog.node("web-1")).toMatchObject({ id: "h1", address: "10.0.0.7", allow: ["default/web"] });
  });

  test("pitfall 12: a lost reply is asked for again with the same key, after the expiry too; nobody else may", () => {
    const catalog = born();
    run(catalog, ticket());
    run(catalog, redeem());
    const before = catalog.stateHash();
    expect(run(catalog, redeem(), { nowMs: NOW + 5000 }).ok).toBe(true);
    for (const other of [{ csrKeyHash: "k2" }, { node: "web-2" }, { nodeId: "h2" }]) {
      expect(run(catalog, redeem(other))).toMatchObject({ ok: false, code: "INVALID_TICKET" });
    }
    expect(catalog.stateHash()).toBe(before);
  });

  test.each([
    ["an unknown one", ticket({ id: "other" }), "the ticket is unknown"],
    ["an expired one", ticket({ expMs: NOW }), "the ticket has expired"],
    ["another node's", ticket({ node: "db-1" }), 'the ticket is for node "db-1", not "web-1"'],
  ])("refused: %s", (_title, created, message) => {
    const catalog = born();
    run(catalog, created);
    expect(run(catalog, redeem())).toMatchObject({ ok: false, code: "INVALID_TICKET", message });
    expect(catalog.node("web-1")).toBeUndefined();
  });

  test("pitfall 24: a name in use by another host is refused with the way out, and free after its revocation", () => {
    const catalog = born();
    run(catalog, ticket());
    run(catalog, redeem());
    run(catalog, ticket({ id: "t2", allow: ["default/api"] }));
    const again = redeem({ id: "t2", nodeId: "h2", csrKeyHash: "k2" });
    const fix = expect.stringContaining("mesh acl node revoke web-1") as string;
    expect(run(catalog, again)).toMatchObject({ ok: false, code: "CONFLICT", fix });
    expect(catalog.ticket("t2")!.redeemed).toBeUndefined();
    run(catalog, { type: "node.revoke", name: "web-1" });
    expect(run(catalog, again).ok).toBe(true);
    expect(catalog.node("web-1")).toMatchObject({ id: "h2", allow: ["default/api"] });
    expect(catalog.node("web-1")!.revoked).toBeUndefined();
  });

  test("a host's id is no secret: a ticket that is not made out to the name does not take it over", () => {
    const catalog = born();
    run(catalog, ticket());
    run(catalog, redeem());
    run(catalog, { type: "node.allow", name: "web-1", allow: ["*"] });
    run(catalog, ticket({ id: "thief", allow: ["default/other"] }));
    const fix = expect.stringContaining("mesh acl ticket create --node web-1") as string;
    expect(run(catalog, redeem({ id: "thief", csrKeyHash: "k2" }))).toMatchObject({ ok: false, code: "CONFLICT", fix });
    expect(catalog.ticket("thief")!.redeemed).toBeUndefined();
  });

  test("a used ticket is worthless once its host was revoked, its name taken over, or a day has gone by", () => {
    const catalog = born();
    run(catalog, ticket());
    run(catalog, redeem());
    const late = { nowMs: NOW + 24 * 3_600_000 };
    expect(run(catalog, redeem(), late)).toMatchObject({ ok: false, code: "INVALID_TICKET" });
    expect(run(catalog, redeem()).ok).toBe(true);
    run(catalog, { type: "node.revoke", name: "web-1" });
    expect(run(catalog, redeem())).toMatchObject({ ok: false, code: "INVALID_TICKET" });
    run(catalog, ticket({ id: "t2" }));
    run(catalog, redeem({ id: "t2", nodeId: "h2", csrKeyHash: "k2" }), { nowMs: NOW + 1 });
    expect(run(catalog, redeem(), { nowMs: NOW + 2 })).toMatchObject({ ok: false, code: "INVALID_TICKET" });
  });

  test("a server's ticket makes no node", () => {
    const catalog = born();
    run(catalog, ticket({ role: "server" }));
    expect(run(catalog, redeem())).toMatchObject({ ok: true, ticket: { role: "server" } });
    expect(catalog.nodes()).toEqual([]);
  });

  test("a new ticket for the same host adds to its allow", () => {
    const catalog = born();
    run(catalog, ticket());
    run(catalog, redeem());
    run(catalog, ticket({ id: "t2", node: "web-1", allow: ["default/api"] }));
    run(catalog, redeem({ id: "t2", csrKeyHash: "k2" }), { nowMs: NOW + 500 });
    expect(catalog.node("web-1")).toMatchObject({ allow: ["default/api", "default/web"], joinedAtMs: NOW + 500 });
  });

  test("pitfall 11: their number is bounded; expired ones make room", () => {
    const catalog = born();
    for (let i = 0; i < MAX_TICKETS; i++) run(catalog, ticket({ id: `t${i}`, expMs: NOW + i }));
    expect(run(catalog, ticket({ id: "late" }), { nowMs: NOW - 1 })).toMatchObject({ ok: false, code: "LIMITED" });
    expect(run(catalog, ticket({ id: "late" }), { nowMs: NOW + 9 }).ok).toBe(true);
    expect(catalog.tickets()).toHaveLength(MAX_TICKETS - 10 + 1);
  });
});

describe("tokens", () => {
  const token = (accessor: string, roles: string[]): Parameters<typeof run>[1] =>
    ({ type: "token.create", accessor, secretHash: `hash-${accessor}`, roles, description: "" });

  test("pitfall 52: found by the hash of the secret alone, gone when deleted", () => {
    const catalog = born();
    run(catalog, token("ci", ["write:shop"]));
    expect(catalog.tokenByHash("hash-ci")).toMatchObject({ roles: ["write:shop"], expMs: 0 });
    expect(catalog.tokenByHash("ci")).toBeUndefined();
    run(catalog, { type: "token.delete", accessor: "ci" });
    expect(catalog.tokenByHash("hash-ci")).toBeUndefined();
  });

  test("a taken accessor or secret is refused", () => {
    const catalog = born();
    expect(run(catalog, token("boot", []))).toMatchObject({ ok: false, code: "CONFLICT" });
    expect(run(catalog, { ...token("x", []), secretHash: "hash-boot" } as never)).toMatchObject({ code: "CONFLICT" });
    expect(catalog.tokenByHash("hash-boot")!.accessor).toBe("boot");
  });

  test("the last lasting management token stays", () => {
    const catalog = born();
    run(catalog, { type: "token.create", accessor: "brief", secretHash: "b", roles: ["management"], description: "",
      expMs: NOW + 3_600_000 });
    expect(run(catalog, { type: "token.delete", accessor: "boot" })).toMatchObject({ ok: false, code: "CONFLICT" });
    run(catalog, token("second", ["management"]));
    expect(run(catalog, { type: "token.delete", accessor: "boot" }).ok).toBe(true);
    expect(run(catalog, { type: "token.delete", accessor: "never-was" }).ok).toBe(true);
  });
});

test("secrets are in no topic", () => {
  const catalog = catalogWith("a");
  run(catalog, birth);
  const told = ["roots", "node/a"].map((topic) => JSON.stringify([...catalog.topicItems(topic)])).join("");
  for (const secret of ["key1", "gossip", "hash-boot"]) expect(told).not.toContain(secret);
});

describe("pitfall 53: a command is checked against its token's roles where it is applied", () => {
  const put: Command = { type: "intention.put", intention: intention("i", "default/web", "shop/cart") };
  const apply = (catalog: Catalog, accessor: string, nowMs = NOW): ApplyResult =>
    catalog.apply(catalog.appliedIndex + 1, encodeCommand(put, { requestId: "", nowMs, accessor }));
  const withToken = (roles: string[], expMs = 0): Catalog => {
    const catalog = born();
    run(catalog, { type: "token.create", accessor: "ci", secretHash: "h", roles, description: "", expMs });
    return catalog;
  };

  test.each([
    ["without the role", withToken(["write:default"]), "lacks role write:shop"],
    ["that has expired", withToken(["write:shop"], NOW), "revoked or has expired"],
    ["that was revoked meanwhile", born(), "revoked or has expired"],
  ])("a token %s", (_title, catalog, message) => {
    const before = catalog.stateHash();
    const said = expect.stringContaining(message) as string;
    expect(apply(catalog, "ci")).toMatchObject({ ok: false, code: "DENIED", message: said });
    expect(catalog.intentions()).toEqual([]);
    expect(catalog.stateHash()).toBe(before);
  });

  test("with the role it is done", () => {
    expect(apply(withToken(["write:shop"]), "ci")).toMatchObject({ ok: true });
  });
});
