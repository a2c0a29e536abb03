/**
 * Redeems a ticket: finds the cluster's root by the digest in it, proves to itself that the server carries a server's
 * identity under that root, and only then sends the secret with a request for this host's certificate.
 */
import { setTimeout } from "node:timers/promises";
import { backoffMs } from "../core/antientropy/schedule.ts";
import { toBase64 } from "../core/base/bytes.ts";
import { MeshError } from "../core/base/errors.ts";
import { nodeSpiffeId, splitSpiffeId } from "../core/model/spiffe.ts";
import { parseTicket, type Ticket } from "../core/model/ticket.ts";
import { parseCertificate } from "../core/x509/certificate.ts";
import { createCsr } from "../core/x509/csr.ts";
import { decodePem } from "../core/x509/pem.ts";
import { nodeCrypto } from "../io/crypto.ts";
import type { Logger } from "../io/logger.ts";
import { fetchPinnedRoot } from "../io/tls/pinned.ts";
import { pendingKey, type NodeCredentials } from "./credentials.ts";
import { isAway, reasonOf } from "./reasons.ts";
import { hasLists, hasTexts, postToServer, refusalOf, splitAddress, type ServerAnswer } from "./server-post.ts";

const ATTEMPT_TIMEOUT_MS = 10_000;
const RETRY = { firstMs: 250, maxMs: 3_000, random: Math.random };

interface JoinAnswer {
  readonly trust_domain: string;
  readonly cluster_id: string;
  readonly chain_pem: string;
  readonly roots_pem: readonly string[];
  readonly gossip_key: string;
  readonly grpc_servers: readonly string[];
}

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
        if (!isAway(error)) throw error;
        options.log.warn({ server, reason: reasonOf(error) }, "joining by this server failed");
      }
    }
    await setTimeout(backoffMs(round, RETRY), undefined, { signal: options.signal }).catch(() => undefined);
    if (options.signal.aborted) throw failure;
  }
}

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
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(ATTEMPT_TIMEOUT_MS)]);
  const rootPem = await fetchPinnedRoot({ ...splitAddress(server), rootSha256: ticket.rootSha256, signal });
  const trustDomain = trustDomainOf(rootPem);
  const key = pendingKey(options.dataDir);
  const csr = createCsr(nodeCrypto, {
    privateKeyPem: key.keyPem, spkiDer: key.spkiDer, spiffeId: nodeSpiffeId(trustDomain, options.node),
  });
  const body = {
    id: ticket.id,
    secret: ticket.secret,
    node: options.node,
    node_id: options.nodeId,
    address: options.advertise,
    ...(options.inboundPort === 0 ? {} : { inbound_port: options.inboundPort }),
    csr: toBase64(csr),
  };
  const post = { server, rootsPem: [rootPem], trustDomain, path: "/v1/mesh/join", body, signal };
  const answer = readAnswer(await postToServer(post));
  return {
    node: options.node,
    trustDomain: answer.trust_domain,
    clusterId: answer.cluster_id,
    chainPem: answer.chain_pem,
    keyPem: key.keyPem,
    rootsPem: answer.roots_pem,
    gossipKey: answer.gossip_key,
    servers: answer.grpc_servers,
    httpsServers: ticket.servers,
    ticketId: ticket.id,
  };
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

function readAnswer(answer: ServerAnswer): JoinAnswer {
  const { status, value } = answer;
  if (status === 200) {
    const texts = hasTexts(value, ["trust_domain", "cluster_id", "chain_pem", "gossip_key"]);
    if (texts && hasLists(value, ["roots_pem", "grpc_servers"])) return value as JoinAnswer;
    throw new MeshError("INTERNAL", "the server's answer to the request to join is not understood");
  }
  const { message, fix } = refusalOf(answer);
  const code = status >= 500 ? "UNREACHABLE" : status === 409 ? "CONFLICT" : "INVALID_TICKET";
  throw new MeshError(code, `the server refused to let this host join: ${message}`, fix === undefined ? {} : { fix });
}
