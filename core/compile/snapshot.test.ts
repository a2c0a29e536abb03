import { expect, test } from "vitest";
import type { EndpointRecord } from "../model/catalog.ts";
import type { Intention } from "../model/intention.ts";
import { parseServiceDefinitions } from "../model/service-parse.ts";
import { compileSnapshot, sameContent, type AgentView, type LocalService } from "./snapshot.ts";

const local = (text: string, change: Partial<LocalService> = {}): LocalService[] =>
  parseServiceDefinitions(text, { file: "t.yaml" }).services
    .map((definition) => ({ definition, status: "passing", draining: false, ...change }));

const upstreams = (list: string): string => `connect: {sidecar_service: {proxy: {upstreams: [${list}]}}}`;
const WEB = `{name: web, id: web-1, port: 80, protocol: http, ${upstreams(
  "{destination_name: db, destination_namespace: data, local_bind_port: 5432, config: {protocol: tcp}}," +
  "{destination_name: api, local_bind_socket_path: /run/api.sock}")}}`;

const endpoint = (node: string, id: string, change: Partial<EndpointRecord> = {}): EndpointRecord => ({
  node, id, namespace: "default", service: "api", host: `10.0.0.${node.slice(1)}`, inboundPort: 15_008,
  protocol: "http", tags: [], meta: {}, weights: { passing: 5, warning: 1 }, draining: false, status: "passing",
  ...change,
});
const intention = (source: string, action: "allow" | "deny", name = "web"): Intention => ({
  id: `${source}-${name}`, source: { namespace: source === "*" ? "*" : "default", name: source },
  destination: { namespace: "default", name }, action, description: "", meta: {}, precedence: source === "*" ? 7 : 9,
  createdAtMs: 0, updatedAtMs: 0,
});
const identity = (service: string) => ({
  service, spiffeId: `spiffe://t.mesh/ns/${service.replace("/", "/sa/")}`, chainPem: `chain of ${service}`,
  keyPem: `key of ${service}`, notAfterMs: 1_000,
});

function view(change: Partial<AgentView> = {}): AgentView {
  return {
    version: 3, node: "n1", trustDomain: "t.mesh", rootsPem: ["root b", "root a", "root b"],
    inbound: { host: "0.0.0.0", port: 20_000 }, advertise: "10.0.0.1",
    services: [...local("{name: ui, port: 81}", { draining: true }), ...local(WEB)],
    identities: new Map(["default/web", "default/ui"].map((key) => [key, identity(key)])),
    endpoints: new Map([
      ["default/api", [endpoint("n2", "b", { status: "warning" }), endpoint("n2", "a", { draining: true }),
        endpoint("n1", "z", { status: "critical" })]],
      ["data/db", []],
    ]),
    intentions: new Map([["default/web", [intention("*", "deny"), intention("ui", "allow")]]]),
    defaults: new Map([["default/api", { balance: "round_robin", connectTimeoutMs: 100 }]]),
    ...change,
  };
}

test("golden: identities, locals, intentions by precedence, outbounds, all sorted", async () => {
  const text = `${JSON.stringify(compileSnapshot(view()), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot("./testdata/snapshot.golden.json");
});

test("the order of inputs does not matter", () => {
  const one = view();
  const other = view({ services: one.services.toReversed(), version: 9,
    endpoints: new Map([...one.endpoints].map(([key, list]) => [key, list.toReversed()])) });
  expect(sameContent(compileSnapshot(one), compileSnapshot(other))).toBe(true);
  expect(sameContent(compileSnapshot(one), compileSnapshot(view({ node: "n9" })))).toBe(false);
});

test("an upstream listens only once its endpoints were received, and its service has a certificate", () => {
  const keys = (change: Partial<AgentView>): string[] =>
    compileSnapshot(view(change)).outbounds.map((o) => o.destination);
  expect(keys({})).toEqual(["data/db", "default/api"]);
  expect(keys({ endpoints: new Map([["data/db", []]]) })).toEqual(["data/db"]);
  expect(keys({ identities: new Map() })).toEqual([]);
});

test("a same-host endpoint takes the tunnel too, at this host's own address and port", () => {
  const { endpoints } = compileSnapshot(view()).outbounds[1]!;
  expect(endpoints[0]).toEqual({ id: "z", node: "n1", host: "10.0.0.1", port: 20_000, weight: 5, healthy: false });
  expect(endpoints.slice(1).map((e) => [e.id, e.host, e.weight, e.healthy]))
    .toEqual([["a", "10.0.0.2", 5, false], ["b", "10.0.0.2", 1, true]]);
});

test.each([
  ["passing", false, true], ["warning", false, true], ["critical", false, false], ["passing", true, false],
] as const)("a local instance that is %s and draining: %s is ready: %s", (status, draining, ready) => {
  const services = local("{name: web, port: 80}", { status, draining });
  expect(compileSnapshot(view({ services })).locals[0]!.instances[0]).toMatchObject({ ready, draining });
});

test("protocol: the upstream's own, the defaults', what all instances say, else by the first bytes", () => {
  const protocolOf = (change: Partial<AgentView>): string | undefined =>
    compileSnapshot(view(change)).outbounds.find((o) => o.destination === "default/api")?.protocol;
  expect(protocolOf({})).toBe("http");
  expect(protocolOf({ defaults: new Map([["default/api", { protocol: "tcp" }]]) })).toBe("tcp");
  const mixed = [endpoint("n2", "a"), endpoint("n2", "b", { protocol: "tcp" })];
  expect(protocolOf({ endpoints: new Map([["default/api", mixed]]) })).toBe("auto");
});

test("two instances that declare the same listener share it; a service without a port is not served", () => {
  const text = ["a", "b"].map((id) =>
    `- {name: web, id: ${id}, ${upstreams("{destination_name: api, local_bind_port: 9000}")}}`).join("\n");
  const { locals, outbounds, identities } = compileSnapshot(view({ services: local(text) }));
  expect([locals, outbounds.map((o) => o.key), identities.map((i) => i.service)])
    .toEqual([[], ["default/web/a/default/api/9000"], ["default/web"]]);
});
