import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InstanceRecord } from "../core/model/catalog.ts";
import { serverSni } from "../core/model/spiffe.ts";
import { parseTicket, type Ticket } from "../core/model/ticket.ts";
import { createCsr } from "../core/x509/csr.ts";
import { nodeCrypto } from "../io/crypto.ts";
import type { MeshClient, SyncNodeRequest, SyncNodeResponse } from "../io/gen/mesh/v1/mesh.ts";
import { createGrpcClient, unary } from "../io/grpc/client.ts";
import { createLogger } from "../io/logger.ts";
import { clientTlsOptions, createAnonymousContext } from "../io/tls/context.ts";
import { fetchPinnedRoot } from "../io/tls/pinned.ts";
import { type RunningServer, type ServerOptions, startServer } from "./main.ts";

/** For tests: a real server on loopback, and a host that joins it as an agent would. */

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
}

export interface Sending {
  readonly token?: string | undefined;
  readonly body?: string | object;
}

export interface TestServer {
  server: RunningServer;
  readonly dataDir: string;
  readonly lines: string[];
  /** With the management token unless told otherwise. */
  call(line: string, sending?: Sending): Promise<Answer>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const dataDir = mkdtempSync(join(tmpdir(), "mesh-server-"));
  const lines: string[] = [];
  const all: ServerOptions = {
    node: "s1", dataDir, bind: "127.0.0.1", advertise: "127.0.0.1", http: { host: "127.0.0.1", port: 0 },
    httpsPort: 0, grpcPort: 0, bootstrap: true,
    log: createLogger({ name: "server", level: "debug", write: (line) => void lines.push(line) }),
    ...options,
  };
  const test: TestServer = {
    server: await startServer(all),
    dataDir,
    lines,
    call: (line, sending = {}) => {
      const [method, path] = line.split(" ") as [string, string];
      const token = "token" in sending ? sending.token : test.server.managementToken;
      const options = { host: "127.0.0.1", port: test.server.httpPort!, method, path };
      return send(httpRequest, options, { token, body: sending.body });
    },
    restart: async () => {
      await test.server.close();
      test.server = await startServer(all);
    },
    stop: async () => {
      await test.server.close();
      rmSync(dataDir, { recursive: true });
    },
  };
  return test;
}

type Request = typeof httpRequest;

function send(
  request: Request, options: object, { token, body }: { token: string | undefined; body: string | object | undefined },
): Promise<Answer> {
  const bytes = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  // Node frames the body of a DELETE only when it is told the length.
  const length = bytes === undefined ? {} : { "content-length": String(Buffer.byteLength(bytes)) };
  const headers = { ...length, ...(token === undefined ? {} : { "x-consul-token": token }) };
  return new Promise((resolve, reject) => {
    const req = request({ ...options, headers }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: res.statusCode!, headers: res.headers, text, json: parse(text) });
      });
    });
    req.on("error", reject);
    req.end(bytes);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export interface KeyAndCsr {
  readonly keyPem: string;
  readonly csrDer: Buffer;
}

export function makeCsr(): KeyAndCsr {
  const { privateKeyPem, spkiDer } = nodeCrypto.generateKeyPair("ec-p256");
  // What it asks for is ignored by a CA that takes the identity from who calls.
  const csrDer = createCsr(nodeCrypto, { privateKeyPem, spkiDer, spiffeId: "spiffe://evil.example/server/s1" });
  return { keyPem: privateKeyPem, csrDer: Buffer.from(csrDer) };
}

export interface JoinFields {
  readonly node: string;
  readonly nodeId?: string;
  readonly csr?: KeyAndCsr;
  readonly secret?: string;
}

export interface JoinReply {
  readonly trust_domain: string;
  readonly cluster_id: string;
  readonly chain_pem: string;
  readonly roots_pem: readonly string[];
  readonly gossip_key: string;
  readonly grpc_servers: readonly string[];
  readonly allow: readonly string[];
}

/** Redeems a ticket over HTTPS, having pinned the root, as an agent does. */
export async function redeem(ticket: Ticket, trustDomain: string, fields: JoinFields): Promise<Answer> {
  const [host, port] = ticket.servers[0]!.split(":") as [string, string];
  const { rootSha256 } = ticket;
  const signal = AbortSignal.timeout(5_000);
  const root = await fetchPinnedRoot({ host, port: Number(port), rootSha256, signal });
  const tls = clientTlsOptions({
    context: createAnonymousContext([root]), servername: serverSni(trustDomain), trustDomain,
    accept: (id) => id.kind === "server",
  });
  const csr = fields.csr ?? makeCsr();
  const body = {
    id: ticket.id, secret: fields.secret ?? ticket.secret, node: fields.node,
    node_id: fields.nodeId ?? `id-of-${fields.node}`, address: "127.0.1.1", inbound_port: 15_008,
    csr: csr.csrDer.toString("base64"),
  };
  const options = { ...tls, host, port: Number(port), method: "POST", path: "/v1/mesh/join", agent: false };
  return send(httpsRequest, options, { token: undefined, body });
}

export interface TestHost {
  readonly name: string;
  readonly client: MeshClient;
  readonly reply: JoinReply;
  sync(change: Partial<SyncNodeRequest>): Promise<SyncNodeResponse>;
  /** Registers a service with one passing check. */
  register(service: string, more?: Partial<InstanceRecord>): Promise<SyncNodeResponse>;
}

export async function joinHost(test: TestServer, name: string, allow: readonly string[]): Promise<TestHost> {
  const ticket = parseTicket(await test.server.createTicket({ role: "agent", allow, ttlMs: 60_000 }));
  const csr = makeCsr();
  const answer = await redeem(ticket, await trustDomainOf(test), { node: name, csr });
  if (answer.status !== 200) throw new Error(answer.text);
  const reply = answer.json as JoinReply;
  const client = createGrpcClient({
    servers: reply.grpc_servers,
    tls: { rootsPem: reply.roots_pem, chainPem: reply.chain_pem, keyPem: csr.keyPem },
    trustDomain: reply.trust_domain,
    nowMs: Date.now,
  });
  const sync: TestHost["sync"] = (change) => unary(client.syncNode.bind(client), {
    requestId: "", nodeJson: Buffer.alloc(0), instancesJson: [], checksJson: [], deleteInstances: [], deleteChecks: [],
    ...change,
  }, { timeoutMs: 5_000 });
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
  const register: TestHost["register"] = (service, more = {}) => {
    const id = more.id ?? `${service}-1`;
    const instance = {
      node: name, id, namespace: "default", service, address: "", port: 8080, protocol: "http", tags: ["v1"], meta: {},
      weights: { passing: 1, warning: 1 }, draining: false, upstreams: [], ...more,
    };
    const check = {
      node: name, id: `${id}-check`, name: "up", instanceId: id, status: "passing", output: "", type: "ttl", notes: "",
    };
    return sync({ instancesJson: [json(instance)], checksJson: [json(check)] });
  };
  return { name, client, reply, sync, register };
}

export async function trustDomainOf(test: TestServer): Promise<string> {
  const { json } = await test.call("GET /v1/connect/ca/roots");
  return (json as { TrustDomain: string }).TrustDomain;
}
