import { describe, expect, test } from "vitest";
import { createCatalog } from "./catalog.ts";
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
