import { randomUUID } from "node:crypto";
import { z } from "zod";
import { parseRole } from "../../core/acl/roles.ts";
import { parseAllow } from "../../core/authz/allow.ts";
import { MeshError } from "../../core/base/errors.ts";
import type { Command } from "../../core/catalog/commands.ts";
import { isoTime } from "../../core/catalog/iso-time.ts";
import type { TicketRecord, TokenRecord } from "../../core/catalog/records.ts";
import { parseDuration } from "../../core/model/duration.ts";
import { isNodeName } from "../../core/model/spiffe.ts";
import { type ApiRequest, type ApiResponse, jsonResponse } from "../../io/api/router.ts";
import type { Access } from "../access.ts";
import { propose, type ServerContext } from "../context.ts";
import { secretHash } from "../secrets.ts";
import { type MadeTicket, type TicketRequest, TICKET_TTL_MS_DEFAULT } from "../tickets.ts";
import { guarded, type GuardedRoute, list, MANAGEMENT } from "./query.ts";

/** Tokens (in Consul's shapes, with `Roles` for policies), tickets, and what a host may be. All need management. */
export function aclRoutes(
  context: ServerContext, createTicket: (request: TicketRequest) => Promise<MadeTicket>,
): GuardedRoute[] {
  const { catalog } = context;
  const managed = (line: string, handler: (req: ApiRequest, access: Access) => Promise<ApiResponse>): GuardedRoute =>
    guarded(context, line, (req, access) => {
      access.require(MANAGEMENT);
      // Who changed what anybody may do.
      const { method, path } = req;
      if (method !== "GET") context.log.info({ accessor: access.accessor, method, path }, "access");
      return handler(req, access);
    });
  const write = (line: string, commandOf: (req: ApiRequest) => Command): GuardedRoute =>
    managed(line, async (req, access) => {
      await propose(context, commandOf(req), access);
      return jsonResponse(true);
    });
  return [
    managed("GET /v1/acl/tokens", (req) => list(context, req, {
      topics: ["tokens"], need: MANAGEMENT, read: () => catalog.tokens().map(tokenShape),
    })),
    managed("PUT /v1/acl/token", (req, access) => createToken(context, req, access)),
    write("DELETE /v1/acl/token/:accessor", (req) => ({ type: "token.delete", accessor: req.params["accessor"]! })),
    guarded(context, "GET /v1/acl/token/self", (_req, access) => {
      const token = catalog.token(access.accessor);
      return jsonResponse(token === undefined ? null : tokenShape(token));
    }),
    managed("GET /v1/mesh/acl/tickets", (req) => list(context, req, {
      topics: ["tickets"], need: MANAGEMENT, read: () => catalog.tickets().map((t) => ticketShape(t, context.nowMs())),
    })),
    managed("POST /v1/mesh/acl/tickets", async (req, { accessor }) => {
      const request = ticketRequest(await readBody(req, TICKET));
      const { id, ticket, expMs } = await createTicket({ ...request, accessor });
      return jsonResponse({ id, ticket, expires: isoTime(expMs) });
    }),
    write("DELETE /v1/mesh/acl/tickets/:id", (req) => ({ type: "ticket.delete", id: req.params["id"]! })),
    managed("PUT /v1/mesh/acl/node/:node/allow", changeAllow(context, "node.allow")),
    managed("DELETE /v1/mesh/acl/node/:node/allow", changeAllow(context, "node.disallow")),
    write("POST /v1/mesh/acl/node/:node/revoke", (req) => ({ type: "node.revoke", name: req.params["node"]! })),
  ];
}

const DURATION = z.string().transform((text, issue) => {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) {
    issue.addIssue({ code: "custom", message: `"${text}" is not a duration: write 30m, 24h` });
  }
  return ms ?? 0;
});

const TOKEN = z.object({
  Roles: z.array(z.string()).min(1, "needs at least one role: management, write:NAMESPACE or read:NAMESPACE"),
  Description: z.string().max(512).default(""),
  ExpirationTTL: DURATION.optional(),
}).strict();

const TICKET = z.object({
  role: z.enum(["agent", "server"]).default("agent"),
  node: z.string().refine(isNodeName, "is not a host name").optional(),
  allow: z.array(z.string()).max(1024).default([]),
  ttl: DURATION.optional(),
}).strict();

const ALLOW = z.object({ allow: z.array(z.string()).min(1).max(1024) }).strict();

/** The body by its schema; every mistake with its place. */
async function readBody<T extends z.ZodType>(req: ApiRequest, schema: T): Promise<z.infer<T>> {
  const parsed = schema.safeParse((await req.json()) ?? {});
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${["body", ...path].join(".")}: ${message}`);
  throw new MeshError("INVALID", faults.join("; "));
}

async function createToken(context: ServerContext, req: ApiRequest, access: Access): Promise<ApiResponse> {
  const body = await readBody(req, TOKEN);
  const roles = body.Roles.map(parseRole);
  const accessor = randomUUID();
  const secret = randomUUID();
  const expMs = body.ExpirationTTL === undefined ? 0 : context.nowMs() + body.ExpirationTTL;
  await propose(context, {
    type: "token.create", accessor, secretHash: secretHash(secret), roles, description: body.Description, expMs,
  }, access);
  context.log.info({ accessor, roles }, "token created");
  const token = context.catalog.token(accessor);
  const shape = token === undefined ? { AccessorID: accessor, Roles: roles } : tokenShape(token);
  // The only time that the secret is shown.
  return jsonResponse({ ...shape, SecretID: secret });
}

function tokenShape(token: TokenRecord): Record<string, unknown> {
  return {
    AccessorID: token.accessor,
    Description: token.description,
    Roles: token.roles,
    Local: false,
    CreateTime: isoTime(token.createdAtMs),
    ...(token.expMs === 0 ? {} : { ExpirationTime: isoTime(token.expMs) }),
    CreateIndex: token.createIndex ?? 0,
    ModifyIndex: token.modifyIndex ?? 0,
  };
}

function ticketRequest(body: z.infer<typeof TICKET>): TicketRequest {
  if (body.role === "agent" && body.allow.length === 0) {
    throw new MeshError("INVALID", "allow: a host must be permitted something", {
      fix: 'name the services ("default/web"), a namespace ("shop/*"), or write "*" for any',
    });
  }
  return {
    role: body.role,
    allow: body.allow.map((text) => parseAllow(text)),
    ttlMs: body.ttl ?? TICKET_TTL_MS_DEFAULT,
    ...(body.node === undefined ? {} : { node: body.node }),
  };
}

function ticketShape(ticket: TicketRecord, nowMs: number): object {
  const { id, role, node, allow, expMs, createdAtMs, redeemed } = ticket;
  return {
    id, role, node, allow,
    created: isoTime(createdAtMs),
    expires: isoTime(expMs),
    state: redeemed !== undefined ? "used" : expMs <= nowMs ? "expired" : "open",
    ...(redeemed === undefined ? {} : { used_by: redeemed.node, used: isoTime(redeemed.atMs) }),
  };
}

function changeAllow(context: ServerContext, type: "node.allow" | "node.disallow") {
  return async (req: ApiRequest, access: Access): Promise<ApiResponse> => {
    const name = req.params["node"]!;
    const allow = (await readBody(req, ALLOW)).allow.map((text) => parseAllow(text));
    const { node } = await propose(context, { type, name, allow }, access);
    context.log.info({ node: name, allow: node?.allow }, "what a host may be was changed");
    return jsonResponse({ node: name, allow: node?.allow ?? [] });
  };
}
