import { createHash } from "node:crypto";
import { z } from "zod";
import { fromBase64 } from "../core/base/bytes.ts";
import { MeshError } from "../core/base/errors.ts";
import { isNodeName } from "../core/model/spiffe.ts";
import { verifyCsr } from "../core/x509/csr.ts";
import { nodeCrypto } from "../io/crypto.ts";
import type { ApiRequest, ApiResponse } from "../io/api/router.ts";
import { clusterOf } from "./authority.ts";
import { propose, type ServerContext } from "./context.ts";
import type { RateLimiter } from "./rate-limit.ts";
import { secretHash } from "./secrets.ts";

/*
 * Ticket redemption, the one request that needs no token. The order matters: limit, parse, compare the secret, prove
 * the key, commit the redemption, and only then sign. The commit binds the ticket to the host's name, id and key, so
 * that a reply that was lost may be asked for again, and only by the same host.
 */

const REQUEST = z.object({
  id: z.string().min(1).max(64),
  secret: z.string().min(1).max(128),
  node: z.string().refine(isNodeName, "must be letters, digits, dots, hyphens and underscores, 128 at most"),
  node_id: z.string().min(8).max(64),
  address: z.string().max(253).optional(),
  inbound_port: z.number().int().min(1).max(65_535).optional(),
  /** Base64 of the DER. */
  csr: z.string().max(16_384),
});

export interface JoinResponse {
  readonly trust_domain: string;
  readonly cluster_id: string;
  /** The host's certificate, then intermediates. */
  readonly chain_pem: string;
  readonly roots_pem: readonly string[];
  readonly gossip_key: string;
  readonly grpc_servers: readonly string[];
  readonly allow: readonly string[];
}

/** `POST /v1/mesh/join`. */
export async function join(context: ServerContext, limiter: RateLimiter, req: ApiRequest): Promise<ApiResponse> {
  limiter.take(req.remoteAddress, "attempts to join from this address");
  const body = await req.json();
  if (typeof body !== "object" || body === null || !("id" in body) || !("secret" in body)) {
    throw new MeshError("NO_TOKEN", "joining needs a ticket", { fix: "create one: mesh acl ticket create" });
  }
  const request = parseRequest(body);
  const ticket = checkSecret(context, request);
  const csrDer = fromBase64(request.csr);
  if (csrDer === undefined) throw new MeshError("INVALID", "csr is not base64", { where: "csr" });
  const { spkiDer } = verifyCsr(nodeCrypto, csrDer);
  if (ticket.role === "server") {
    throw new MeshError("NOT_BUILT", "more than one server is not offered by this version", {
      fix: "use the ticket of an agent: mesh acl ticket create --role agent",
    });
  }
  const redeemed = await propose(context, {
    type: "ticket.redeem",
    id: request.id,
    node: request.node,
    nodeId: request.node_id,
    csrKeyHash: createHash("sha256").update(spkiDer).digest("hex"),
    ...(request.address === undefined ? {} : { address: request.address }),
    ...(request.inbound_port === undefined ? {} : { inboundPort: request.inbound_port }),
  });
  const leaf = context.authority.signNode(spkiDer, request.node);
  context.log.info({ node: request.node, ticket_id: request.id, serial: leaf.serialHex }, "a host has joined");
  const cluster = clusterOf(context.catalog);
  const answer: JoinResponse = {
    trust_domain: cluster.trustDomain,
    cluster_id: cluster.clusterId,
    chain_pem: leaf.certPem,
    roots_pem: context.authority.rootsPem(),
    gossip_key: context.authority.gossipKey(),
    grpc_servers: cluster.servers,
    allow: context.catalog.node(request.node)?.allow ?? redeemed.ticket?.allow ?? [],
  };
  return { status: 200, body: answer };
}

type JoinRequest = z.infer<typeof REQUEST>;

function parseRequest(body: unknown): JoinRequest {
  const parsed = REQUEST.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new MeshError("INVALID", issue.message, { where: issue.path.join(".") });
}

/** Unknown id and wrong secret answer alike, and after the same work. */
function checkSecret(context: ServerContext, { id, secret }: JoinRequest): { readonly role: "agent" | "server" } {
  const ticket = context.catalog.ticket(id);
  const given = Buffer.from(secretHash(secret), "hex");
  const wanted = Buffer.from(ticket?.secretHash ?? secretHash(""), "hex");
  if (!nodeCrypto.timingSafeEqual(given, wanted) || ticket === undefined) {
    throw new MeshError("DENIED", "the ticket is not valid", { fix: "create a new ticket: mesh acl ticket create" });
  }
  return ticket;
}
