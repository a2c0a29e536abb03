import { randomBytes, randomUUID } from "node:crypto";
import { toBase64 } from "../core/base/bytes.ts";
import { DAY_MS, HOUR_MS } from "../core/base/time.ts";
import { MeshError } from "../core/base/errors.ts";
import { encodeTicket } from "../core/model/ticket.ts";
import { clusterOf } from "./authority.ts";
import { propose, type ServerContext } from "./context.ts";
import { secretHash } from "./secrets.ts";

export interface TicketRequest {
  readonly role: "agent" | "server";
  /** Only a host of this name may use it. */
  readonly node?: string;
  /** `ns/service`, `ns/*` or `*`. */
  readonly allow: readonly string[];
  readonly ttlMs: number;
  /** Of the token that asks for it. */
  readonly accessor?: string;
}

export interface MadeTicket {
  readonly id: string;
  /** The text, secret included. */
  readonly ticket: string;
  readonly expMs: number;
}

export const TICKET_TTL_MS_DEFAULT = HOUR_MS;
/** A ticket is a secret that lies about until it is used. */
const TICKET_TTL_MS_MAX = 30 * DAY_MS;

/** Makes a ticket; its text is given out this once, the catalog keeps a digest of the secret. */
export async function createTicket(
  context: ServerContext, servers: readonly string[], request: TicketRequest,
): Promise<MadeTicket> {
  const { role, node, allow, ttlMs } = request;
  if (ttlMs > TICKET_TTL_MS_MAX) throw new MeshError("INVALID", "a ticket lives 30 days at most", { where: "ttl" });
  const id = randomUUID();
  const secret = toBase64(randomBytes(32), "url");
  // Whole seconds, as the ticket itself says it.
  const expMs = Math.floor((context.nowMs() + ttlMs) / 1000) * 1000;
  await propose(context, {
    type: "ticket.create", id, secretHash: secretHash(secret), expMs, role, allow,
    ...(node === undefined ? {} : { node }),
  }, request);
  context.log.info({ ticket_id: id, role, node, allow }, "ticket made");
  const ticket = encodeTicket({
    cluster: clusterOf(context.catalog).clusterId,
    servers,
    rootSha256: context.authority.activeRootId(),
    id, secret, expMs, role, allow,
    ...(node === undefined ? {} : { node }),
  });
  return { id, ticket, expMs };
}
