import { afterAll, beforeAll, expect, test } from "vitest";
import { MeshError } from "../../core/base/errors.ts";
import { nodeSpiffeId, serverSpiffeId, serviceSpiffeId } from "../../core/model/spiffe.ts";
import { createRoot, type IssuedRoot, signLeaf } from "../../core/x509/issue.ts";
import { nodeCrypto } from "../crypto.ts";
import type { WatchEvent, WatchRequest } from "../gen/mesh/v1/mesh.ts";
import { createLogger } from "../logger.ts";
import type { Credentials } from "../tls/context.ts";
import { createGrpcClient, grpcTarget, unary } from "./client.ts";
import { type Caller, createGrpcServer, type MeshHandlers, type RunningGrpcServer } from "./server.ts";

const TD = "test.mesh";
const log = createLogger({ name: "test", write: () => undefined });
const root = createRoot(nodeCrypto, { trustDomain: TD, nowMs: Date.now() });
const foreignRoot = createRoot(nodeCrypto, { trustDomain: TD, nowMs: Date.now() });

function issue(spiffeId: string, more: { by?: IssuedRoot; ttlMs?: number } = {}): Credentials {
  const { by = root, ttlMs = 3_600_000 } = more;
  const pair = nodeCrypto.generateKeyPair("ec-p256");
  const leaf = signLeaf(nodeCrypto, {
    issuerCertPem: by.certPem, issuerKeyPem: by.privateKeyPem, spkiDer: pair.spkiDer, spiffeId, dnsNames: [],
    nowMs: Date.now(), ttlMs,
  });
  return { rootsPem: [root.certPem], chainPem: leaf.certPem, keyPem: pair.privateKeyPem };
}

const refuse = (): Promise<never> =>
  Promise.reject(new MeshError("NOT_ALLOWED", "not you", { fix: "ask", where: "x" }));
const callers: Caller[] = [];
const banned = new Set<string>();
const handlers: MeshHandlers = {
  watch: (stream) => {
    stream.on("data", (request: WatchRequest) => {
      for (const { key } of request.topics) {
        stream.write({ topic: key, index: 1, reset: true, upserts: [], deletes: [], datacenter: "" });
      }
    });
    stream.on("end", () => stream.end());
  },
  nodeState: (_request, caller) => {
    callers.push(caller);
    return Promise.resolve({ index: 5, nodeJson: Buffer.from(caller.name), instancesJson: [], checksJson: [] });
  },
  syncNode: refuse,
  signLeaf: () => { throw new TypeError("inner detail"); },
  renewNode: refuse, forward: refuse, reportTelemetry: refuse,
  resolveToken: (_request, _caller, signal) => new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("cancelled")));
  }),
};

let server: RunningGrpcServer;
let address: string;
beforeAll(async () => {
  server = await serve(issue(serverSpiffeId(TD, "s1")));
});
afterAll(() => server.close());

async function serve(tls: Credentials): Promise<RunningGrpcServer> {
  const made = createGrpcServer({
    handlers, tls, trustDomain: TD, log, nowMs: Date.now,
    admit: (caller) => {
      if (banned.has(caller.name)) throw new MeshError("CERT_INVALID", "revoked");
    },
  });
  const { port } = await made.listen({ host: "127.0.0.1", port: 0 });
  address = `127.0.0.1:${port}`;
  return made;
}

async function ask(tls: Credentials, to = address): Promise<string> {
  const client = createGrpcClient({ servers: [to], tls, trustDomain: TD, nowMs: Date.now });
  try {
    const state = await unary(client.nodeState.bind(client), {}, { timeoutMs: 1_000 });
    return state.nodeJson.toString();
  } finally {
    client.close();
  }
}

test("the caller is whom its certificate names", async () => {
  expect(await ask(issue(nodeSpiffeId(TD, "web-1")))).toBe("web-1");
  expect(callers.at(-1)).toMatchObject({ kind: "node", name: "web-1" });
  expect(await ask(issue(serverSpiffeId(TD, "s2")))).toBe("s2");
});

test("pitfall 30: a service's certificate, a foreign one and one of another trust domain do not get in", async () => {
  const strangers = [
    issue(serviceSpiffeId(TD, { namespace: "default", name: "web" })),
    issue(nodeSpiffeId(TD, "web-1"), { by: foreignRoot }),
    issue(nodeSpiffeId("other.mesh", "web-1")),
  ];
  for (const tls of strangers) {
    await expect(ask(tls)).rejects.toMatchObject({ code: expect.stringMatching(/UNREACH|TIMEOUT/) });
  }
});

test("pitfall 36: a host's certificate does not make a server, however it was signed", async () => {
  const impostor = await serve(issue(nodeSpiffeId(TD, "s1")));
  const own = address;
  const seen = callers.length;
  await expect(ask(issue(nodeSpiffeId(TD, "web-1")), own)).rejects.toMatchObject({
    code: expect.stringMatching(/UNREACH|TIMEOUT/),
  });
  expect(callers.length).toBe(seen);
  await impostor.close();
});

test("errors keep code, message, fix and place; faults say nothing; silence is a TIMEOUT", async () => {
  const server2 = await serve(issue(serverSpiffeId(TD, "s1")));
  const client = createGrpcClient({
    servers: [address], tls: issue(nodeSpiffeId(TD, "n")), trustDomain: TD, nowMs: Date.now,
  });
  const empty = {
    requestId: "", nodeJson: Buffer.alloc(0), instancesJson: [], checksJson: [], deleteInstances: [], deleteChecks: [],
  };
  await expect(unary(client.syncNode.bind(client), empty, { timeoutMs: 1_000 }))
    .rejects.toMatchObject({ code: "NOT_ALLOWED", message: "not you", fix: "ask", where: "x" });
  const leaf = { namespace: "", service: "", csrDer: Buffer.alloc(0) };
  const failed = unary(client.signLeaf.bind(client), leaf, { timeoutMs: 1_000 });
  await expect(failed).rejects.toMatchObject({ code: "INTERNAL" });
  await expect(failed).rejects.not.toThrow("inner detail");
  await expect(unary(client.resolveToken.bind(client), { token: "" }, { timeoutMs: 50 }))
    .rejects.toMatchObject({ code: "TIMEOUT" });
  const gone = new AbortController();
  const aborted = unary(client.resolveToken.bind(client), { token: "" }, { timeoutMs: 5_000, signal: gone.signal });
  gone.abort();
  await expect(aborted).rejects.toMatchObject({ code: "UNREACHABLE" });
  client.close();
  await server2.close();
});

test("a revoked caller's connection is cut and does not come back", async () => {
  const own = await serve(issue(serverSpiffeId(TD, "s1")));
  const client = createGrpcClient({
    servers: [address], tls: issue(nodeSpiffeId(TD, "bad")), trustDomain: TD, nowMs: Date.now,
  });
  const stream = client.watch();
  const ended = new Promise((resolve) => stream.on("error", resolve));
  stream.write({ topics: [{ key: "roots", index: 0, datacenter: "" }] });
  const event = await new Promise<WatchEvent>((resolve) => stream.once("data", resolve));
  expect(event.topic).toBe("roots");
  stream.on("data", () => undefined);
  banned.add("bad");
  own.recheck();
  await ended;
  await expect(unary(client.nodeState.bind(client), {}, { timeoutMs: 500 })).rejects.toBeInstanceOf(MeshError);
  client.close();
  await own.close();
});

test("pitfall 37: a stream that runs on ends with the certificate that opened it", async () => {
  const own = await serve(issue(serverSpiffeId(TD, "s1")));
  const startMs = performance.now();
  const client = createGrpcClient({
    servers: [address], tls: issue(nodeSpiffeId(TD, "brief"), { ttlMs: 1_000 }), trustDomain: TD, nowMs: Date.now,
  });
  const stream = client.watch();
  const ended = new Promise((resolve) => stream.on("error", resolve));
  stream.on("data", () => undefined);
  stream.write({ topics: [{ key: "roots", index: 0, datacenter: "" }] });
  await ended;
  expect(performance.now() - startMs).toBeLessThan(3_000);
  client.close();
  await own.close();
});

test("targets: one family of addresses as a list, else the first name", () => {
  expect(grpcTarget(["10.0.0.1:8300", "10.0.0.2:8300"])).toBe("ipv4:10.0.0.1:8300,10.0.0.2:8300");
  expect(grpcTarget(["[::1]:8300"])).toBe("ipv6:[::1]:8300");
  expect(grpcTarget(["s1.example:8300", "10.0.0.2:8300"])).toBe("dns:s1.example:8300");
});
