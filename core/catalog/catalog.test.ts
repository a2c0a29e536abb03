import { describe, expect, test } from "vitest";
import { MAX_INSTANCES_PER_NODE } from "./apply-nodes.ts";
import { createCatalog } from "./catalog.ts";
import type { Command, IntentionInput } from "./commands.ts";
import { labelsOf } from "./endpoints.ts";
import type { ApplyOk } from "./records.ts";
import { encodeText } from "./text.ts";
import { VIRTUAL_IPS, virtualIp } from "./vips.ts";
import { catalogWith, check, instance, intention, node, run, sync } from "./fixture.ts";

describe("node.sync", () => {
  test("registers instances, gives each service one virtual address, and lists services", () => {
    const catalog = catalogWith("a", "b");
    run(catalog, sync("a", { instances: [instance("web-1", "web", { tags: ["v1"] })] }));
    run(catalog, sync("b", { instances: [instance("web-1", "web", { tags: ["v2"] }), instance("api", "api")] }));
    expect(catalog.services().map((s) => [s.name, s.tags, s.instances, s.virtualIp])).toEqual([
      ["api", [], 1, "240.0.0.2"], ["web", ["v1", "v2"], 2, "240.0.0.1"],
    ]);
    expect(catalog.endpoints("default", "web").map((e) => `${e.node}/${e.id} ${e.host}:${e.inboundPort}`)).toEqual([
      "a/web-1 10.0.0.1:15008", "b/web-1 10.0.0.1:15008",
    ]);
  });

  test("refuses a service outside the node's allow with the command that permits it, and takes the rest", () => {
    const catalog = catalogWith();
    run(catalog, node("web-1"));
    run(catalog, { type: "node.allow", name: "web-1", allow: ["default/web", "shop/*"] });
    const result = run(catalog, sync("web-1", {
      instances: [instance("w", "web"), instance("p", "payments"), instance("c", "cart", { namespace: "shop" })],
      checks: [check("p:1", "p"), check("w:1", "w"), check("x", "ghost")],
    }));
    expect(result).toMatchObject({ ok: true, refusals: [
      { id: "p", code: "NOT_ALLOWED", fix: "mesh acl node allow web-1 default/payments" },
      { id: "x", code: "NOT_FOUND" },
    ] });
    expect(catalog.instancesOn("web-1").map((i) => i.id)).toEqual(["c", "w"]);
    expect(catalog.checksOn("web-1").map((c) => c.id)).toEqual(["w:1"]);
  });

  test("a repeated sync moves no index and tells nobody", () => {
    const catalog = catalogWith("a");
    const same = sync("a", { instances: [instance("w", "web")], checks: [check("c", "w")] });
    run(catalog, same);
    const before = catalog.stateHash();
    const heard: number[] = [];
    catalog.onChange((index) => heard.push(index));
    run(catalog, same);
    expect([catalog.stateHash(), heard]).toEqual([before, []]);
  });
});

describe("intentions", () => {
  test("one per source and destination: a put replaces it and keeps its id and birth", () => {
    const catalog = createCatalog();
    run(catalog, { type: "intention.put", intention: intention("i1", "default/web", "default/api") });
    const deny = intention("i2", "default/web", "default/api", "deny");
    const { intention: written } = run(catalog, { type: "intention.put", intention: deny }, { nowMs: 1 }) as ApplyOk;
    expect(written).toMatchObject({ id: "i1", action: "deny", precedence: 9, updatedAtMs: 1, createIndex: 1 });
    expect(written!.createdAtMs).toBeGreaterThan(1);
    const twice = run(catalog, { type: "intention.put", intention: deny, createOnly: true });
    expect(twice).toMatchObject({ code: "CONFLICT" });
    expect(catalog.intentions()).toEqual([written]);
    expect(catalog.intentionExact(deny.source, deny.destination)).toBe(written);
  });

  test("is deleted by id or by pair, and its topic says so", () => {
    const catalog = createCatalog();
    const one = intention("i1", "default/web", "default/api");
    for (const gone of [{ id: "i1" }, { source: one.source, destination: one.destination }]) {
      run(catalog, { type: "intention.put", intention: one });
      const seen = catalog.appliedIndex;
      expect(run(catalog, { type: "intention.delete", ...gone })).toMatchObject({ intention: { id: "i1" } });
      expect(catalog.changesSince("intentions/default/api", seen)).toEqual({ upserts: new Map(), deletes: ["i1"] });
    }
    expect(run(catalog, { type: "intention.delete", id: "i1" })).toEqual({ ok: true, index: catalog.appliedIndex });
  });

  test("an id that came back for another destination is a deletion to those who held it", () => {
    const catalog = createCatalog();
    run(catalog, { type: "intention.put", intention: intention("i1", "default/web", "default/api") });
    run(catalog, { type: "intention.delete", id: "i1" });
    run(catalog, { type: "intention.put", intention: intention("i1", "default/web", "default/db") });
    expect(catalog.changesSince("intentions/default/api", 1)).toEqual({ upserts: new Map(), deletes: ["i1"] });
  });

  test("an intention for * touches the intentions of every service", () => {
    const catalog = catalogWith("a");
    run(catalog, sync("a", { instances: [instance("w", "web")] }));
    const heard: ReadonlySet<string>[] = [];
    catalog.onChange((_index, topics) => heard.push(topics));
    run(catalog, { type: "intention.put", intention: intention("i1", "*/*", "*/*", "deny") });
    expect(heard[0]!.has("intentions/default/unknown-yet")).toBe(true);
    expect([...heard[0]!]).toContain("intentions/default/web");
    expect(catalog.indexOf("intentions/default/web")).toBe(catalog.appliedIndex);
    expect([...catalog.topicItems("intentions/default/web").keys()]).toEqual(["i1"]);
  });
});

describe("nodes", () => {
  test("another host under a name, and another name of a host, are refused", () => {
    const catalog = catalogWith("a");
    expect(run(catalog, node("a", "other"))).toMatchObject({ ok: false, code: "CONFLICT" });
    expect(run(catalog, node("b", "id-a"))).toMatchObject({ ok: false, code: "CONFLICT" });
    const record = { name: "a", id: "other", address: "", inboundPort: 1, meta: {} };
    expect(run(catalog, sync("a", { record }))).toMatchObject({ ok: false, code: "CONFLICT" });
    expect(catalog.nodes().map((n) => [n.name, n.id])).toEqual([["a", "id-a"]]);
  });

  test.each(["", "a/b", ".a", "a b", "x".repeat(129)])("%j is no node name", (name) => {
    expect(run(createCatalog(), node(name))).toMatchObject({ ok: false, code: "INVALID" });
  });

  test("an update keeps the allow, and moves every endpoint of the node", () => {
    const catalog = catalogWith("a");
    run(catalog, sync("a", { instances: [instance("w", "web"), instance("p", "api")] }));
    const record = { name: "ignored", id: "id-a", address: "10.9.9.9", inboundPort: 1, meta: {} };
    run(catalog, sync("a", { record }));
    expect(catalog.node("a")).toMatchObject({ name: "a", allow: ["*"], address: "10.9.9.9" });
    for (const service of ["web", "api"]) {
      expect(catalog.endpoints("default", service)[0]).toMatchObject({ host: "10.9.9.9", inboundPort: 1 });
      expect(catalog.indexOf(`service/default/${service}`)).toBe(catalog.appliedIndex);
    }
  });

  test("taking a permission away takes the instances that it covered", () => {
    const catalog = catalogWith("a");
    run(catalog, { type: "node.allow", name: "a", allow: ["default/web"] });
    run(catalog, sync("a", { instances: [instance("w", "web"), instance("p", "api")], checks: [check("c", "p")] }));
    run(catalog, { type: "node.disallow", name: "a", allow: ["*"] });
    expect([catalog.instancesOn("a").map((i) => i.id), catalog.checksOn("a")]).toEqual([["w"], []]);
  });

  test("a revoked node holds nothing and may write nothing", () => {
    const catalog = catalogWith("a");
    run(catalog, sync("a", { instances: [instance("w", "web")], checks: [check("c", "w"), check("d", "")] }));
    run(catalog, { type: "node.revoke", name: "a" });
    expect([catalog.services(), catalog.checksOn("a"), catalog.node("a")!.revoked]).toEqual([[], [], true]);
    for (const command of [sync("a", { instances: [instance("w", "web")] }), node("a")]) {
      expect(run(catalog, command)).toMatchObject({ ok: false, code: "CERT_INVALID" });
    }
  });
});

describe("endpoints", () => {
  const withChecks = (...statuses: readonly (readonly [string, "passing" | "warning" | "critical"])[]): string => {
    const catalog = catalogWith("a");
    const checks = statuses.map(([of, status], i) => check(`c${i}`, of, { status }));
    run(catalog, sync("a", { instances: [instance("w", "web"), instance("x", "api")], checks }));
    return catalog.endpoints("default", "web")[0]!.status;
  };

  test.each([
    [[], "passing"], [[["w", "passing"]], "passing"], [[["w", "warning"], ["w", "passing"]], "warning"],
    [[["", "critical"], ["w", "passing"]], "critical"], [[["x", "critical"]], "passing"],
    [[["w", "critical"], ["", "warning"]], "critical"],
  ] as const)("checks %j make it %s", (statuses, expected) => expect(withChecks(...statuses)).toBe(expected));

  test("labels app and service are the service's name, whatever meta says", () => {
    const catalog = catalogWith("a");
    const meta = { app: "payments", service: "payments", team: "x" };
    run(catalog, sync("a", { instances: [instance("w", "web", { meta, tags: ["v1", "app"] })] }));
    const [endpoint] = catalog.endpoints("default", "web");
    expect(endpoint!.meta).toEqual({ app: "web", service: "web", team: "x" });
    expect(labelsOf(endpoint!)).toEqual({ v1: "tag", app: "web", service: "web", team: "x" });
    // The record itself is what the host sent: otherwise it would repeat its sync for ever.
    expect(catalog.instance("a", "w")!.meta).toEqual(meta);
  });

  test("a check's new output is news for health queries, not for callers", () => {
    const catalog = catalogWith("a");
    run(catalog, sync("a", { instances: [instance("w", "web")], checks: [check("c", "w")] }));
    const before = catalog.indexOf("service/default/web");
    run(catalog, sync("a", { checks: [check("c", "w", { output: "200 OK" })] }));
    expect(catalog.indexOf("service/default/web")).toBe(before);
    expect(catalog.indexOf("health/default/web")).toBe(catalog.appliedIndex);
  });

  test("an instance that changes its service leaves the old one", () => {
    const catalog = catalogWith("a");
    run(catalog, sync("a", { instances: [instance("w", "web")] }));
    const seen = catalog.appliedIndex;
    run(catalog, sync("a", { instances: [instance("w", "api")] }));
    expect(catalog.changesSince("service/default/web", seen)).toEqual({ upserts: new Map(), deletes: ["a/w"] });
    expect([...catalog.changesSince("service/default/api", seen)!.upserts.keys()]).toEqual(["a/w"]);
    expect(catalog.services().map((s) => s.name)).toEqual(["api"]);
  });
});

describe("rows of a host are looked at", () => {
  const refusalOf = (row: object): unknown => run(catalogWith("a"), sync("a", { instances: [row as never] }));
  test.each([
    [{ id: "" }], [{ id: 5 }], [{ id: "a\nb" }], [{ service: "Web" }], [{ namespace: "service" }], [{ port: -1 }],
    [{ port: "80" }], [{ protocol: "udp" }], [{ tags: "v1" }], [{ meta: { a: 1 } }], [{ weights: {} }],
    [{ draining: 1 }], [{ upstreams: [1] }], [{ address: null }], [{ tags: ["x".repeat(70_000)] }],
  ])("instance with %j is refused", (fault) => {
    expect(refusalOf({ ...instance("w", "web"), ...fault })).toMatchObject({ refusals: [{ code: "INVALID_SERVICE" }] });
  });

  test.each([
    [{ id: "" }], [{ status: "fine" }], [{ output: 5 }], [{ instanceId: 5 }], [{ output: "x".repeat(70_000) }],
  ])("check with %j is refused", (fault) => {
    const checks = [{ ...check("c", ""), ...fault } as never];
    expect(run(catalogWith("a"), sync("a", { checks }))).toMatchObject({ refusals: [{ code: "INVALID" }] });
  });
});

test("pitfall 11: a row is bounded with all that it carries, and so is a host's own record", () => {
  const catalog = catalogWith("a");
  const big = { later: "x".repeat(300_000) };
  const rows = { instances: [{ ...instance("i", "web"), ...big }], checks: [{ ...check("c", ""), ...big }] };
  expect(run(catalog, sync("a", rows))).toMatchObject({ refusals: [{ id: "i" }, { id: "c" }] });
  const upstreams = Array.from({ length: 10_000 }, (_, n) => `default/u${n}`);
  expect(run(catalog, sync("a", { instances: [instance("i", "web", { upstreams })] })))
    .toMatchObject({ refusals: [{ code: "INVALID_SERVICE", message: "the instance is larger than 64 kB" }] });
  const record = { name: "a", id: "id-a", address: "10.0.0.1", inboundPort: 1, meta: {} };
  for (const more of [{ meta: { k: "x".repeat(20_000) } }, { address: "x".repeat(300) }]) {
    expect(run(catalog, sync("a", { record: { ...record, ...more } }))).toMatchObject({ ok: false, code: "INVALID" });
  }
});

test("pitfall 11: one node has so many instances and no more, but may change those that it has", () => {
  const catalog = catalogWith("a");
  const many = (n: number): string[] => Array.from({ length: n }, (_, i) => `${i}`);
  run(catalog, sync("a", { instances: many(MAX_INSTANCES_PER_NODE).map((id) => instance(id, "web")) }));
  const next = sync("a", { instances: [instance("0", "api"), instance("more", "web")] });
  expect(run(catalog, next)).toMatchObject({ refusals: [{ id: "more", code: "LIMITED" }] });
  expect(catalog.instance("a", "0")!.service).toBe("api");
});

describe("entries", () => {
  test("pitfall 12: a retry with its request id is applied once and answered alike", () => {
    const catalog = catalogWith("a");
    const command = sync("a", { instances: [instance("w", "web"), { ...instance("x", "web"), port: -1 }] });
    const first = run(catalog, command, { requestId: "r1" });
    run(catalog, sync("a", { deleteInstances: ["w"] }), { requestId: "r2" });
    const before = catalog.stateHash();
    expect(run(catalog, command, { requestId: "r1" })).toEqual(first);
    expect([catalog.instancesOn("a"), catalog.stateHash()]).toEqual([[], before]);
    const restored = createCatalog();
    restored.restore(catalog.snapshot());
    expect(run(restored, command, { requestId: "r1" })).toEqual(first);
    expect(restored.instancesOn("a")).toEqual([]);
  });

  test("a refused command is remembered too", () => {
    const catalog = createCatalog();
    const command = { type: "node.allow", name: "late", allow: ["*"] } as const;
    const first = run(catalog, command, { requestId: "r1" });
    run(catalog, node("late"));
    expect(run(catalog, command, { requestId: "r1" })).toEqual(first);
    expect(catalog.node("late")!.allow).toEqual([]);
  });

  test.each([
    "", "{}", "null", "[]", "3", ...[
      { v: 1, id: "", t: 1, c: { type: "node.fly" } }, { v: 1, id: "", t: 1, c: { type: "toString" } },
      { v: 1, id: "", t: 1, c: { type: "node.allow", name: "a" } }, { v: 1, id: "", t: 1, c: [] },
      { v: 1, id: "", t: 1, c: sync("a", { instances: [1 as never] }) },
      { v: 1, id: "", t: 1, c: { type: "resource.apply", resources: [], intentions: [{ id: "i" }] } },
      { v: 2, id: "", t: 1, c: { type: "node.delete", name: "a" } },
      { v: 1, id: 5, t: 1, c: { type: "node.delete", name: "a" } },
    ].map((entry) => JSON.stringify(entry)),
  ])("entry %j is refused and changes nothing", (text) => {
    const catalog = catalogWith("a");
    const before = catalog.stateHash();
    expect(catalog.apply(9, encodeText(text))).toMatchObject({ ok: false, code: "INVALID" });
    expect([catalog.stateHash(), catalog.appliedIndex]).toEqual([before, 9]);
  });

  test("an index out of order is a broken invariant", () => {
    const catalog = catalogWith("a");
    expect(() => catalog.apply(1, encodeText("{}"))).toThrow("entry 1 after 2");
  });
});

describe("resources", () => {
  const put = (name: string, protocol: string, cas?: number): Command => ({ type: "resource.put",
    resource: { kind: "ServiceDefaults", namespace: "default", name, document: { spec: { protocol } } },
    ...(cas === undefined ? {} : { cas }) });

  test("compare and set", () => {
    const catalog = createCatalog();
    expect(run(catalog, put("web", "http", 0)).ok).toBe(true);
    expect(run(catalog, put("web", "tcp", 0))).toMatchObject({ ok: false, code: "CONFLICT" });
    expect(run(catalog, put("web", "tcp", 1)).ok).toBe(true);
    expect(catalog.serviceDefaults("default", "web")).toEqual({ protocol: "tcp" });
    const gone = { type: "resource.delete", resource: { kind: "ServiceDefaults", namespace: "default", name: "web" } };
    expect(run(catalog, { ...gone, cas: 1 } as Command)).toMatchObject({ code: "CONFLICT" });
    expect(run(catalog, gone as Command).ok).toBe(true);
    expect(catalog.changesSince("defaults/default/web", 3)).toEqual({ upserts: new Map(), deletes: ["default/web"] });
  });

  test("a file is applied whole or not at all", () => {
    const catalog = createCatalog();
    const resource = { kind: "ServiceDefaults", namespace: "default", name: "web", document: { spec: {} } };
    const file = (...intentions: IntentionInput[]): Command =>
      ({ type: "resource.apply", resources: [resource], intentions });
    const bad = file(intention("i", "default/web", "default/api"), intention("i", "default/web", "default/db"));
    expect(run(catalog, bad)).toMatchObject({ ok: false, code: "CONFLICT" });
    expect(run(catalog, file(intention("i", "*/web", "default/api")))).toMatchObject({ ok: false, code: "INVALID" });
    expect([catalog.resources(), catalog.intentions()]).toEqual([[], []]);
    expect(run(catalog, file(intention("i", "default/web", "default/api"))).ok).toBe(true);
    expect([catalog.resources().length, catalog.intentions().length]).toEqual([1, 1]);
  });
});

test("virtual addresses are stable, distinct and never .0 or .255", () => {
  expect([0, 253, 254, 254 * 256, VIRTUAL_IPS - 1].map(virtualIp)).toEqual([
    "240.0.0.1", "240.0.0.254", "240.0.1.1", "240.1.0.1", "255.255.255.254",
  ]);
  const catalog = catalogWith("a");
  run(catalog, sync("a", { instances: [instance("w", "web")] }));
  run(catalog, sync("a", { deleteInstances: ["w"] }));
  run(catalog, sync("a", { instances: [instance("p", "api")] }));
  run(catalog, sync("a", { instances: [instance("w", "web")] }));
  const addresses = ["web", "api"].map((name) => catalog.virtualIp("default", name));
  expect(addresses).toEqual(["240.0.0.1", "240.0.0.2"]);
});

test("a snapshot restores to an equal catalog", () => {
  const catalog = catalogWith("a");
  run(catalog, sync("a", { instances: [instance("w", "web")], checks: [check("c", "w", { status: "warning" })] }));
  const other = createCatalog();
  other.restore(catalog.snapshot());
  expect(other.stateHash()).toBe(catalog.stateHash());
  expect(other.snapshot()).toEqual(catalog.snapshot());
  expect(other.endpoints("default", "web")).toEqual(catalog.endpoints("default", "web"));
  expect(other.appliedIndex).toBe(catalog.appliedIndex);
});
