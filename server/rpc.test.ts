import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MeshClient, Topic, WatchEvent } from "../io/gen/mesh/v1/mesh.ts";
import { unary } from "../io/grpc/client.ts";
import { joinHost, makeCsr, startTestServer, type TestHost, type TestServer } from "./fixture.ts";

let mesh: TestServer;
let host: TestHost;

beforeAll(async () => {
  mesh = await startTestServer();
  host = await joinHost(mesh, "host-1", ["default/web", "default/api"]);
});
afterAll(async () => {
  host.client.close();
  await mesh.stop();
});

/** A watch stream whose events are collected; `until` resolves with the first that fits. */
class Watching {
  readonly stream: ReturnType<MeshClient["watch"]>;
  readonly events: WatchEvent[] = [];
  #wake: (() => void) | undefined;
  failure: Error | undefined;

  constructor(client: MeshClient, topics: Topic[]) {
    this.stream = client.watch();
    this.stream.on("data", (event: WatchEvent) => {
      this.events.push(event);
      this.#wake?.();
    });
    this.stream.on("error", (error) => {
      this.failure = error;
      this.#wake?.();
    });
    this.stream.write({ topics });
  }

  async until(fits: (event: WatchEvent) => boolean): Promise<WatchEvent> {
    for (const deadline = Date.now() + 5_000; Date.now() < deadline;) {
      const found = this.events.find(fits);
      if (found !== undefined) return found;
      if (this.failure !== undefined) throw this.failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 200);
      });
    }
    throw new Error(`no such event among ${JSON.stringify(this.events)}`);
  }

  end(): void {
    this.stream.cancel();
  }
}

const topic = (key: string, index = 0, datacenter = ""): Topic => ({ key, index, datacenter });
const keys = (event: WatchEvent): string[] => event.upserts.map((item) => item.key);
const sign = (client: MeshClient, service: string): Promise<{ chainPem: string; rootsPem: string[] }> => {
  const request = { namespace: "default", service, csrDer: makeCsr().csrDer };
  return unary(client.signLeaf.bind(client), request, { timeoutMs: 5_000 });
};

test("pitfall 32: a leaf is signed only for a registered service within the host's allow", async () => {
  await expect(sign(host.client, "payments")).rejects.toMatchObject({ code: "NOT_ALLOWED" });
  await expect(sign(host.client, "api")).rejects.toMatchObject({ code: "NOT_FOUND" });
  await host.register("api");
  const { chainPem, rootsPem } = await sign(host.client, "api");
  const leaf = new X509Certificate(chainPem);
  const td = host.reply.trust_domain;
  expect(leaf.subjectAltName).toContain(`URI:spiffe://${td}/ns/default/sa/api`);
  expect(leaf.subjectAltName).toContain(`DNS:api.default.svc.${td}`);
  expect(leaf.subjectAltName).not.toContain("evil");
  expect(leaf.verify(new X509Certificate(rootsPem[0]!).publicKey)).toBe(true);
  const renewed = await unary(host.client.renewNode.bind(host.client), makeCsr(), { timeoutMs: 5_000 });
  expect(new X509Certificate(renewed.chainPem).subjectAltName).toBe(`URI:spiffe://${td}/node/host-1`);
});

test("pitfall 53: what the host may not be is refused where it is applied, the rest goes in", async () => {
  const instances = ["web", "payments"].map((service) => Buffer.from(JSON.stringify({
    node: "somebody-else", id: `${service}-1`, namespace: "default", service, address: "", port: 80, protocol: "http",
    tags: [], meta: {}, weights: { passing: 1, warning: 1 }, draining: false, upstreams: [],
  })));
  const answer = await host.sync({ instancesJson: instances });
  expect(answer.refusals).toMatchObject([{ id: "payments-1", code: "NOT_ALLOWED" }]);
  expect(answer.refusals[0]!.fix).toBe("mesh acl node allow host-1 default/payments");
  const state = await unary(host.client.nodeState.bind(host.client), {}, { timeoutMs: 5_000 });
  const ids = state.instancesJson.map((bytes) => (JSON.parse(bytes.toString()) as { node: string; id: string }));
  expect(ids).toMatchObject([{ node: "host-1", id: "api-1" }, { node: "host-1", id: "web-1" }]);
  expect(JSON.parse(state.nodeJson.toString())).toMatchObject({ name: "host-1", address: "127.0.1.1" });
});

test("pitfall 12: a retried sync with the same request id is applied once", async () => {
  const first = await host.sync({ requestId: "r1", deleteInstances: ["nobody"] });
  const again = await host.sync({ requestId: "r1", deleteInstances: ["nobody"] });
  expect(again.index).toBe(first.index);
});

test("watch: a snapshot of each topic, then deltas, and after a reconnect only what was missed", async () => {
  const watching = new Watching(host.client, [topic("service/default/db"), topic("roots"), topic("node/host-1")]);
  const empty = await watching.until((e) => e.topic === "service/default/db");
  expect(empty).toMatchObject({ reset: true, upserts: [] });
  const roots = await watching.until((e) => e.topic === "roots");
  expect(roots.upserts.length).toBe(1);
  const own = await watching.until((e) => e.topic === "node/host-1");
  expect(JSON.parse(own.upserts[0]!.valueJson.toString())).toMatchObject({ allow: ["default/api", "default/web"] });

  const other = await joinHost(mesh, "host-db", ["default/db"]);
  await other.register("db");
  const added = await watching.until((e) => e.topic === "service/default/db" && e.upserts.length > 0);
  expect(keys(added)).toEqual(["host-db/db-1"]);
  expect(JSON.parse(added.upserts[0]!.valueJson.toString())).toMatchObject({
    node: "host-db", host: "127.0.1.1", inboundPort: 15_008,
  });
  watching.end();

  await other.register("db", { id: "db-2" });
  await other.sync({ deleteInstances: ["db-1"] });
  const resumed = new Watching(host.client, [topic("service/default/db", added.index), topic("roots", roots.index)]);
  const missed = await resumed.until((e) => e.topic === "service/default/db");
  expect(missed).toMatchObject({ reset: false, deletes: ["host-db/db-1"] });
  expect(keys(missed)).toEqual(["host-db/db-2"]);
  expect(missed.index).toBeGreaterThan(added.index);
  expect(await resumed.until((e) => e.topic === "roots")).toMatchObject({ reset: false, upserts: [], deletes: [] });
  resumed.end();
  const future = new Watching(host.client, [topic("service/default/db", 1_000_000)]);
  expect(await future.until((e) => e.topic === "service/default/db")).toMatchObject({ reset: true });
  future.end();
  other.client.close();
});

test("watch: intentions reach only hosts that may be their destination, wildcards included", async () => {
  const topics = ["intentions/default/web", "intentions/default/secret", "node/host-db"].map((key) => topic(key));
  const watching = new Watching(host.client, topics);
  await watching.until((e) => e.topic === "node/host-db");
  await mesh.call("PUT /v1/connect/intentions/exact?source=*&destination=*", { body: { Action: "allow" } });
  const seen = await watching.until((e) => e.topic === "intentions/default/web" && e.upserts.length === 1);
  expect(JSON.parse(seen.upserts[0]!.valueJson.toString())).toMatchObject({ action: "allow" });
  for (const hidden of ["intentions/default/secret", "node/host-db"]) {
    expect(watching.events.filter((e) => e.topic === hidden).every((e) => e.upserts.length === 0)).toBe(true);
  }
  await mesh.call("PUT /v1/mesh/acl/node/host-1/allow", { body: { allow: ["default/secret"] } });
  await watching.until((e) => e.topic === "intentions/default/secret" && e.upserts.length === 1);
  watching.end();
});

test("watch: an unknown topic ends the stream with its name; the health topic is for HTTP only", async () => {
  for (const key of ["nonsense", "health/default/web"]) {
    const watching = new Watching(host.client, [topic(key)]);
    await expect(watching.until(() => false)).rejects.toThrow(key);
  }
});

test("watch keys carry a datacenter: the own one by name, another one is refused by its name", async () => {
  const own = new Watching(host.client, [topic("roots", 0, "dc1")]);
  expect(await own.until((e) => e.topic === "roots")).toMatchObject({ datacenter: "", reset: true });
  own.end();
  const away = new Watching(host.client, [topic("roots"), topic("service/default/web", 0, "dc2")]);
  await expect(away.until(() => false)).rejects.toThrow(/"service\/default\/web": datacenter "dc2" is not known/);
  expect(away.events).toEqual([]);
});

test("forwarded requests carry their own token and answer as over HTTP", async () => {
  const forward = (target: string, token: string): Promise<{ status: number; body: Buffer }> => unary(
    host.client.forward.bind(host.client),
    { method: "GET", target, token, contentType: "", body: Buffer.alloc(0) }, { timeoutMs: 5_000 },
  );
  await expect(forward("/v1/catalog/nodes", "")).rejects.toMatchObject({ code: "NO_TOKEN" });
  await expect(forward("/v1/mesh/nodez", "x")).rejects.toMatchObject({ fix: "did you mean /v1/mesh/nodes ?" });
  const answer = await forward("/v1/catalog/nodes", mesh.server.managementToken!);
  expect(answer.status).toBe(200);
  expect(answer.body.toString()).toContain('"Node":"host-1"');
  const known = (token: string): Promise<{ known: boolean; roles: string[] }> =>
    unary(host.client.resolveToken.bind(host.client), { token }, { timeoutMs: 5_000 });
  expect(await known(mesh.server.managementToken!)).toMatchObject({ known: true, roles: ["management"] });
  expect(await known("nonsense")).toMatchObject({ known: false, roles: [] });
});

test("telemetry: a host speaks only of services that it may be; topology and metrics show it", async () => {
  const edge = { reporter: "source", source: "default/web", destination: "default/db" };
  const report = {
    node: "whoever", fromMs: 0, toMs: 1, tcp: [],
    requests: [
      { ...edge, method: "GET", code: 200, count: 9 }, { ...edge, method: "GET", code: 503, count: 1 },
      { ...edge, source: "default/payments", method: "GET", code: 200, count: 5 },
    ],
    durations: [{ ...edge, buckets: [[100, 10]], count: 10, sumMs: 50 }],
  };
  const reportJson = Buffer.from(JSON.stringify(report));
  await unary(host.client.reportTelemetry.bind(host.client), { reportJson }, { timeoutMs: 5_000 });
  const topology = (await mesh.call("GET /v1/mesh/topology")).json as { edges: object[] };
  expect(topology.edges).toMatchObject([{ source: "default/web", destination: "default/db", request_count: 10 }]);
  const metrics = await mesh.call("GET /v1/mesh/metrics/db?metrics=request_count,error_rate,latency_p99");
  expect(metrics.json).toMatchObject({ service: "default/db", metrics: { request_count: 10, error_rate: 0.1 } });
  const answered = metrics.json as { metrics: { latency_p99: number }; series: { latency_p99: number }[] };
  const figures = [answered.metrics, ...answered.series].map((point) => String(point.latency_p99));
  for (const figure of figures) expect(figure).toMatch(/^\d+(\.\d{1,3})?$/);
  const now = Math.floor(Date.now() / 1000);
  for (const [start, end] of [[now - 60, now + 10], [(now - 60) * 1000, (now + 10) * 1000]]) {
    const spanned = await mesh.call(`GET /v1/mesh/metrics/db?start=${start}&end=${end}`);
    expect(spanned.json).toMatchObject({ metrics: { request_count: 10 } });
  }
  const earlier = await mesh.call(`GET /v1/mesh/metrics/db?start=${now - 3000}&end=${now - 2000}`);
  const nothing = { request_count: 0, latency_p50: null, latency_p99: null, error_rate: 0 };
  expect(earlier.json).toMatchObject({ metrics: nothing, series: [] });
  expect((await mesh.call("GET /v1/mesh/metrics/db?metrics=nonsense")).status).toBe(400);
  expect((await mesh.call("GET /v1/mesh/metrics/nobody")).status).toBe(404);
  const malformed = { reportJson: Buffer.from('{"requests":1}') };
  await expect(unary(host.client.reportTelemetry.bind(host.client), malformed, { timeoutMs: 5_000 }))
    .rejects.toMatchObject({ code: "INVALID" });
});

test("a revoked host's streams are cut and its calls refused", async () => {
  const bad = await joinHost(mesh, "host-bad", ["*"]);
  const watching = new Watching(bad.client, [topic("roots")]);
  await watching.until((e) => e.topic === "roots");
  expect((await mesh.call("POST /v1/mesh/acl/node/host-bad/revoke")).status).toBe(200);
  await expect(watching.until(() => false)).rejects.toThrow();
  await expect(unary(bad.client.nodeState.bind(bad.client), {}, { timeoutMs: 300 })).rejects.toThrow();
  bad.client.close();
});
