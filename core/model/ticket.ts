/**
 * A ticket lets one server or host join: `mesh1.` and base64url JSON. It carries a secret, so it is never logged: the
 * object that parseTicket returns shows itself without it to JSON.stringify, to loggers and to inspect.
 */
import { fromBase64, toBase64, utf8Decode, utf8Encode } from "../base/bytes.ts";
import { MeshError } from "../base/errors.ts";
import { isLabel } from "./names.ts";
import { isNodeName } from "./spiffe.ts";

export type TicketRole = "agent" | "server";

export interface Ticket {
  /** The cluster's id. */
  readonly cluster: string;
  /** `host:httpsPort` of servers that redeem it; an IPv6 address stands in brackets. */
  readonly servers: readonly string[];
  /** SHA-256 of the root certificate's DER, 64 lower case hex digits: checked before the secret is sent. */
  readonly rootSha256: string;
  readonly id: string;
  /** At least 128 random bits in base64url. */
  readonly secret: string;
  /** Wall time; whole seconds on the wire, rounded down. */
  readonly expMs: number;
  readonly role: TicketRole;
  /** The only node name that may redeem it; absent: any. */
  readonly node?: string;
  /** `ns/service`, `ns/*` or `*`. */
  readonly allow: readonly string[];
}

const PREFIX = "mesh1.";
const TEXT_LENGTH_MAX = 64 * 1024;
const SERVERS_MAX = 32;
const ALLOW_MAX = 1024;
const SHA256_HEX = /^[0-9a-f]{64}$/;
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;
const SECRET = /^[A-Za-z0-9_-]{22,128}$/;
const ADDRESS = /^(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})$/;
/** Which is what util.inspect looks for, without Node's module. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

const bad = (message: string): never => {
  throw new MeshError("INVALID_TICKET", message);
};

/** `*`, `ns/*` or `ns/service`: what a host may be. */
export function isAllowPattern(text: string): boolean {
  if (text === "*") return true;
  const [namespace, name, ...more] = text.split("/");
  return more.length === 0 && isLabel(namespace!) && name !== undefined && (name === "*" || isLabel(name));
}

function isAddress(text: string): boolean {
  const port = Number(ADDRESS.exec(text)?.[1]);
  return port >= 1 && port <= 65_535;
}

/** The ticket without its secret: what may be logged or shown. */
export function redactTicket(ticket: Ticket): Omit<Ticket, "secret"> & { readonly secret: "(hidden)" } {
  return { ...ticket, secret: "(hidden)" };
}

function guarded(ticket: Ticket): Ticket {
  const redacted = (): unknown => redactTicket(ticket);
  const hidden = (value: () => unknown): PropertyDescriptor => ({ value, enumerable: false });
  return Object.defineProperties({ ...ticket }, {
    toJSON: hidden(redacted),
    [INSPECT]: hidden(redacted),
    toString: hidden(() => `ticket ${ticket.id} (secret hidden)`),
  });
}

/** One line of text that holds the whole ticket, secret included. */
export function encodeTicket(ticket: Ticket): string {
  const { cluster, servers, rootSha256, id, secret, expMs, role, node, allow } = ticket;
  const wire = {
    cluster, servers, root_sha256: rootSha256, id, secret, exp: Math.floor(expMs / 1000), role,
    ...(node === undefined ? {} : { node }), allow,
  };
  return PREFIX + toBase64(utf8Encode(JSON.stringify(wire)), "url");
}

function decodeJson(text: string): Record<string, unknown> {
  if (text === "") return bad("the ticket is empty");
  if (text.length > TEXT_LENGTH_MAX) return bad(`the ticket is longer than ${TEXT_LENGTH_MAX} characters`);
  if (!text.startsWith(PREFIX)) {
    return bad(/^mesh[0-9]+\./.test(text)
      ? "the ticket is of another version of the mesh: this one reads mesh1 tickets"
      : 'this is no ticket: a ticket begins with "mesh1."');
  }
  const body = text.slice(PREFIX.length);
  if (/\s/.test(body)) return bad("the ticket is broken by a space or a line end: copy it as one line");
  const bytes = fromBase64(body);
  const json = bytes === undefined ? undefined : utf8Decode(bytes);
  if (json === undefined) return bad("the ticket is damaged: it does not decode (was it cut short?)");
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    // The parser's message would quote the text, and with it the secret.
    return bad("the ticket is damaged: what it holds is not JSON (was it cut short?)");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return bad("the ticket holds no object");
  return value as Record<string, unknown>;
}

function strings(value: unknown, field: string, max: number): string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
    return bad(`the ticket's "${field}" is not a list of texts`);
  }
  if (value.length > max) return bad(`the ticket's "${field}" has more than ${max} entries`);
  return value;
}

function text(value: unknown, field: string, form: RegExp): string {
  if (typeof value === "string" && form.test(value)) return value;
  return bad(`the ticket's "${field}" ${value === undefined ? "is missing" : "is malformed"}`);
}

/**
 * Reads what encodeTicket wrote; white space around it is dropped, unknown fields are ignored. Throws INVALID_TICKET
 * with the field's name and never its secret. Expiry is checkTicketTime's.
 */
export function parseTicket(input: string): Ticket {
  const wire = decodeJson(input.trim());
  const servers = strings(wire["servers"], "servers", SERVERS_MAX);
  if (servers.length === 0) return bad('the ticket\'s "servers" is empty');
  const wrong = servers.find((server) => !isAddress(server));
  if (wrong !== undefined) return bad(`the ticket's "servers" has ${JSON.stringify(wrong)}, which is not HOST:PORT`);
  const allow = strings(wire["allow"], "allow", ALLOW_MAX);
  const odd = allow.find((pattern) => !isAllowPattern(pattern));
  if (odd !== undefined) return bad(`the ticket's "allow" has ${JSON.stringify(odd)}, which is not NAMESPACE/SERVICE`);
  const { exp, role, node } = wire;
  if (typeof exp !== "number" || !Number.isSafeInteger(exp * 1000) || exp < 0) {
    return bad('the ticket\'s "exp" is not a time in seconds');
  }
  if (role !== "agent" && role !== "server") return bad('the ticket\'s "role" is neither "agent" nor "server"');
  if (node !== undefined && !(typeof node === "string" && isNodeName(node))) {
    return bad('the ticket\'s "node" is not a host\'s name');
  }
  return guarded({
    cluster: text(wire["cluster"], "cluster", TOKEN),
    servers,
    rootSha256: text(wire["root_sha256"], "root_sha256", SHA256_HEX),
    id: text(wire["id"], "id", TOKEN),
    secret: text(wire["secret"], "secret", SECRET),
    expMs: exp * 1000,
    role,
    ...(node === undefined ? {} : { node }),
    allow,
  });
}

/** Throws INVALID_TICKET once the ticket's time is over. */
export function checkTicketTime(ticket: Ticket, nowMs: number): void {
  if (nowMs < ticket.expMs) return;
  const minutes = Math.max(1, Math.ceil((nowMs - ticket.expMs) / 60_000));
  bad(`the ticket has expired ${minutes} ${minutes === 1 ? "minute" : "minutes"} ago`);
}
