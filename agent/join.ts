/**
 * Redeems a ticket: finds the cluster's root by the digest in it, proves to itself that the server carries a server's
 * identity under that root, and only then sends the secret with a request for this host's certificate.
 */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { setTimeout } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { z } from "zod";
import { backoffMs } from "../core/antientropy/schedule.ts";
import { toBase64 } from "../core/base/bytes.ts";
import { MeshError } from "../core/base/errors.ts";
import { nodeSpiffeId, serverSni, splitSpiffeId } from "../core/model/spiffe.ts";
import { parseTicket, type Ticket } from "../core/model/ticket.ts";
import { parseCertificate } from "../core/x509/certificate.ts";
import { createCsr } from "../core/x509/csr.ts";
import { decodePem } from "../core/x509/pem.ts";
import { nodeCrypto } from "../io/crypto.ts";
import type { Logger } from "../io/logger.ts";
import { clientTlsOptions, createAnonymousContext } from "../io/tls/context.ts";
import { fetchPinnedRoot } from "../io/tls/pinned.ts";
import { pendingKey, type NodeCredentials } from "./credentials.ts";

const RESPONSE_BYTES_MAX = 1024 * 1024;
const ATTEMPT_TIMEOUT_MS = 10_000;
const RETRY = { firstMs: 250, maxMs: 3_000, random: Math.random };

const RESPONSE = z.object({
  trust_domain: z.string(),
  cluster_id: z.string(),
  chain_pem: z.string(),
  roots_pem: z.array(z.string()).min(1),
  gossip_key: z.string(),
  grpc_servers: z.array(z.string()).min(1),
});

export interface JoinOptions {
  readonly ticket: string;
  readonly dataDir: string;
  readonly node: string;
  readonly nodeId: string;
  readonly advertise: string;
  readonly inboundPort: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Asks each server of the ticket in turn, and again while none answers, until the signal fires: a host may be up before
 * its servers are. Rejects with what the last one said, or with why the ticket is no good.
 */
export async function joinCluster(options: JoinOptions): Promise<NodeCredentials> {
  const ticket = parseTicket(options.ticket);
  checkTicket(ticket, options.node);
  for (let round = 1; ; round++) {
    let failure: unknown;
    for (const server of ticket.servers) {
      try {
        return await redeem(options, ticket, server);
      } catch (error) {
        failure = error;
        if (isFinal(error)) throw error;
        options.log.warn({ server, reason: (error as Error).message }, "joining by this server failed");
      }
    }
    await setTimeout(backoffMs(round, RETRY), undefined, { signal: options.signal }).catch(() => undefined);
    if (options.signal.aborted) throw failure;
  }
}

const isFinal = (error: unknown): boolean =>
  !(error instanceof MeshError) || !["UNREACHABLE", "TIMEOUT", "NO_LEADER"].includes(error.code);

function checkTicket(ticket: Ticket, node: string): void {
  if (ticket.role !== "agent") {
    throw new MeshError("INVALID_TICKET", `the ticket is for a ${ticket.role}, not for an agent`);
  }
  if (ticket.node !== undefined && ticket.node !== node) {
    throw new MeshError("INVALID_TICKET", `the ticket is for node "${ticket.node}", this one is "${node}"`, {
      fix: `start with --node ${ticket.node}, or create a ticket for ${node}`,
    });
  }
  if (ticket.expMs <= Date.now()) {
    throw new MeshError("INVALID_TICKET", `the ticket expired at ${new Date(ticket.expMs).toISOString()}`);
  }
}

async function redeem(options: JoinOptions, ticket: Ticket, server: string): Promise<NodeCredentials> {
  const { host, port } = splitAddress(server);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(ATTEMPT_TIMEOUT_MS)]);
  const rootPem = await fetchPinnedRoot({ host, port, rootSha256: ticket.rootSha256, signal });
  const trustDomain = trustDomainOf(rootPem);
  const key = pendingKey(options.dataDir);
  const csr = createCsr(nodeCrypto, {
    privateKeyPem: key.keyPem, spkiDer: key.spkiDer, spiffeId: nodeSpiffeId(trustDomain, options.node),
  });
  const body = JSON.stringify({
    id: ticket.id,
    secret: ticket.secret,
    node: options.node,
    node_id: options.nodeId,
    address: options.advertise,
    ...(options.inboundPort === 0 ? {} : { inbound_port: options.inboundPort }),
    csr: toBase64(csr),
  });
  const answer = await post({ host, port, rootPem, trustDomain, body, signal });
  return {
    node: options.node,
    trustDomain: answer.trust_domain,
    clusterId: answer.cluster_id,
    chainPem: answer.chain_pem,
    keyPem: key.keyPem,
    rootsPem: answer.roots_pem,
    gossipKey: answer.gossip_key,
    servers: answer.grpc_servers,
    ticketId: ticket.id,
  };
}

function splitAddress(server: string): { host: string; port: number } {
  const match = /^(?:\[(.+)\]|(.+)):(\d+)$/.exec(server);
  return { host: match?.[1] ?? match?.[2] ?? server, port: Number(match?.[3]) };
}

/** The root carries the trust domain's own SPIFFE ID. */
function trustDomainOf(rootPem: string): string {
  const uri = parseCertificate(decodePem(rootPem)[0]!).extensions.uriSans[0];
  const trustDomain = uri === undefined ? undefined : splitSpiffeId(uri)?.trustDomain;
  if (trustDomain === undefined) {
    throw new MeshError("CERT_INVALID", "the cluster's root certificate names no trust domain");
  }
  return trustDomain;
}

interface Post {
  readonly host: string;
  readonly port: number;
  readonly rootPem: string;
  readonly trustDomain: string;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** Nothing is written before the handshake is over and the server's identity was found right. */
async function post(options: Post): Promise<z.infer<typeof RESPONSE>> {
  const socket = await connectToServer(options);
  try {
    const { host, port, body, signal } = options;
    const headers = {
      host: `${host.includes(":") ? `[${host}]` : host}:${port}`, accept: "application/json", connection: "close",
      "content-type": "application/json", "content-length": `${Buffer.byteLength(body)}`,
    };
    const request = httpRequest({
      method: "POST", path: "/v1/mesh/join", headers, signal, createConnection: () => socket,
    });
    request.end(body);
    const [response] = await once(request, "response") as [IncomingMessage];
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of response) {
      size += (part as Buffer).length;
      if (size > RESPONSE_BYTES_MAX) throw new Error("the answer is too large");
      parts.push(part as Buffer);
    }
    return readAnswer(response.statusCode ?? 0, Buffer.concat(parts).toString("utf8"));
  } catch (error) {
    throw unreachable(options, error);
  } finally {
    socket.destroy();
  }
}

async function connectToServer({ host, port, rootPem, trustDomain, signal }: Post): Promise<TLSSocket> {
  const socket = connect({
    host,
    port,
    ...clientTlsOptions({
      context: createAnonymousContext([rootPem]), servername: serverSni(trustDomain), trustDomain, rootsPem: [rootPem],
      accept: (id) => id.kind === "server",
    }),
  });
  try {
    await once(socket, "secureConnect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw unreachable({ host, port }, error);
  }
}

function unreachable({ host, port }: Pick<Post, "host" | "port">, error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const message = `${host}:${port} did not answer the request to join: ${reason}`;
  return new MeshError("UNREACHABLE", message, { cause: error });
}

function readAnswer(status: number, text: string): z.infer<typeof RESPONSE> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (status === 200) {
    const parsed = RESPONSE.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new MeshError("INTERNAL", `the server's answer to the request to join is not understood`);
  }
  const error = (value as { error?: { message?: string; fix?: string } } | undefined)?.error;
  const code = status >= 500 ? "UNREACHABLE" : status === 409 ? "CONFLICT" : "INVALID_TICKET";
  throw new MeshError(code, `the server refused to let this host join: ${error?.message ?? `HTTP ${status}`}`,
    error?.fix === undefined ? {} : { fix: error.fix });
}
