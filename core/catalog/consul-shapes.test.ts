import { describe, expect, test } from "vitest";
import { catalogWith, check, instance, intention, NOW, run, sync } from "./fixture.ts";
import {
  catalogNode, catalogNodes, catalogService, catalogServices, healthService, intentionShapes, nodeChecks, rootsShape,
  serviceChecks, stateChecks,
} from "./consul-shapes.ts";
import { isoTime } from "./iso-time.ts";

const web = { namespace: "default", name: "web" };

function example(): ReturnType<typeof catalogWith> {
  const catalog = catalogWith("a", "b");
  run(catalog, sync("a", {
    instances: [instance("web-1", "web", { tags: ["v1", "blue"], meta: { team: "shop" }, address: "127.0.0.1" })],
    checks: [check("web:1", "web-1"), check("disk", "", { status: "passing" })],
  }));
  run(catalog, sync("b", {
    instances: [instance("web-2", "web", { tags: ["v2"], port: 9090 })],
    checks: [check("web:2", "web-2", { status: "critical", output: "connection refused" })],
  }));
  return catalog;
}

describe("catalog", () => {
  test("a service has the fields that Prometheus and consul-template read", () => {
    const [first] = catalogService(example(), web);
    expect(first).toMatchObject({
      ID: "id-a", Node: "a", Address: "10.0.0.1", Datacenter: "dc1", ServiceID: "web-1", ServiceName: "web",
      ServiceTags: ["v1", "blue"], ServiceAddress: "127.0.0.1", ServicePort: 8080, ServiceMeta: { team: "shop" },
      ServiceWeights: { Passing: 1, Warning: 1 }, NodeMeta: {}, Namespace: "default",
      ServiceTaggedAddresses: { "consul-virtual": { Address: "240.0.0.1", Port: 8080 } },
    });
    expect(first!["ModifyIndex"]).toBeGreaterThan(0);
  });

  test("tags filter: all of them must be there", () => {
    const ids = (tags: string[]): unknown[] => catalogService(example(), web, { tags }).map((s) => s["ServiceID"]);
    expect([ids([]), ids(["v1"]), ids(["v1", "v2"])]).toEqual([["web-1", "web-2"], ["web-1"], []]);
  });

  test("nodes, one node with its services, and the names of services", () => {
    const catalog = example();
    expect(catalogNodes(catalog).map((n) => n["Node"])).toEqual(["a", "b"]);
    expect(catalogNode(catalog, "a")).toMatchObject({ Services: { "web-1": { Service: "web" } } });
    expect(catalogNode(catalog, "ghost")).toBeUndefined();
    expect(catalogServices(catalog, "default")).toEqual({ web: ["blue", "v1", "v2"] });
    expect(catalogServices(catalog, "shop")).toEqual({});
  });
});

describe("health", () => {
  test("an entry has node, service and the checks of both", () => {
    const [first] = healthService(example(), web);
    expect(first).toMatchObject({ Node: { Node: "a" }, Service: { ID: "web-1", Service: "web", Port: 8080 } });
    const checks = first!["Checks"] as { CheckID: string; ServiceID: string }[];
    expect(checks.map((c) => [c.CheckID, c.ServiceID])).toEqual([["disk", ""], ["web:1", "web-1"]]);
  });

  test("passing leaves out instances with a failing check, their own or their node's", () => {
    const catalog = example();
    const ids = (): unknown[] => healthService(catalog, web, { passing: true })
      .map((entry) => (entry["Service"] as { ID: string }).ID);
    expect(ids()).toEqual(["web-1"]);
    run(catalog, sync("a", { checks: [check("disk", "", { status: "warning" })] }));
    expect(ids()).toEqual([]);
  });

  test("passing leaves out what is draining", () => {
    const catalog = example();
    run(catalog, sync("a", { instances: [instance("web-1", "web", { draining: true })] }));
    expect([healthService(catalog, web, { passing: true }), healthService(catalog, web).length]).toEqual([[], 2]);
  });

  test("connect gives the host's proxy on its inbound port", () => {
    const [first] = healthService(example(), web, { connect: true });
    expect(first!["Service"]).toMatchObject({
      Kind: "connect-proxy", Service: "web-sidecar-proxy", Port: 15008, Address: "10.0.0.1",
      Proxy: { DestinationServiceName: "web", DestinationServiceID: "web-1", LocalServicePort: 8080 },
    });
  });

  test("checks by service, by node and by state", () => {
    const catalog = example();
    expect(serviceChecks(catalog, "default", "web").map((c) => c["CheckID"])).toEqual(["web:1", "web:2"]);
    const onA = nodeChecks(catalog, "a").map((c) => [c["CheckID"], c["ServiceName"]]);
    expect(onA).toEqual([["disk", ""], ["web:1", "web"]]);
    expect(stateChecks(catalog, "critical").map((c) => c["Output"])).toEqual(["connection refused"]);
    expect(stateChecks(catalog, "any")).toHaveLength(3);
  });
});

describe("connect", () => {
  test("intentions carry Consul's fields and come in order of evaluation", () => {
    const catalog = example();
    run(catalog, { type: "intention.put", intention: intention("i1", "*/*", "*/*", "deny") });
    run(catalog, { type: "intention.put", intention: intention("i2", "default/web", "default/api") });
    const [first, second] = intentionShapes(catalog);
    expect(first).toMatchObject({
      ID: "i2", SourceNS: "default", SourceName: "web", DestinationNS: "default", DestinationName: "api",
      SourceType: "consul", Action: "allow", Precedence: 9, CreatedAt: isoTime(NOW), UpdatedAt: isoTime(NOW),
    });
    expect(second).toMatchObject({ ID: "i1", Precedence: 1 });
  });

  test("roots name the active one", () => {
    const catalog = example();
    run(catalog, {
      type: "cluster.bootstrap", clusterId: "c", trustDomain: "c.mesh", root: { id: "r1", pem: "PEM" },
      sealedCaKey: "", sealedGossipKey: "", managementToken: { accessor: "m", secretHash: "h" },
    });
    expect(rootsShape(catalog, () => ({ SerialNumber: 7 }))).toMatchObject({
      ActiveRootID: "r1", TrustDomain: "c.mesh", Roots: [{ ID: "r1", RootCert: "PEM", Active: true, SerialNumber: 7 }],
    });
  });
});

test.each([
  [0, "1970-01-01T00:00:00Z"], [951_782_399_999, "2000-02-28T23:59:59Z"], [1_700_000_000_000, "2023-11-14T22:13:20Z"],
  [2_524_608_000_000, "2050-01-01T00:00:00Z"],
])("time %d is %s", (ms, text) => expect(isoTime(ms)).toBe(text));
