import type { Command } from "./commands.ts";

/**
 * The shapes of commands, checked when an entry is read: a malformed one would otherwise throw in the middle of an
 * apply, on every replica and again at each restart. A trailing `?` marks what may be left out.
 */
const SERVICE = { namespace: "string", name: "string" } as const;
const NODE = { name: "string", id: "string", address: "string", inboundPort: "number", meta: "texts" } as const;
const INTENTION = {
  id: "string", source: SERVICE, destination: SERVICE, action: "action", description: "string", meta: "texts",
} as const;
const KEY = { kind: "string", ...SERVICE } as const;

type Leaf = "string" | "string?" | "number" | "number?" | "boolean?" | "strings" | "texts" | "rows" | "action" | "role";
interface Shape { readonly [field: string]: Leaf | Shape | readonly [Shape, "?"] | readonly [Shape, "*"] }

const SHAPES: Readonly<Record<Command["type"], Shape>> = {
  "cluster.bootstrap": {
    clusterId: "string", trustDomain: "string", root: { id: "string", pem: "string" }, sealedCaKey: "string",
    sealedGossipKey: "string", managementToken: { accessor: "string", secretHash: "string" },
  },
  "cluster.servers": { servers: "strings" },
  "node.upsert": { node: NODE },
  "node.delete": { name: "string" },
  "node.allow": { name: "string", allow: "strings" },
  "node.disallow": { name: "string", allow: "strings" },
  "node.revoke": { name: "string" },
  "node.sync": {
    node: "string", record: [NODE, "?"], instances: "rows", checks: "rows", deleteInstances: "strings",
    deleteChecks: "strings",
  },
  "ticket.create": {
    id: "string", secretHash: "string", expMs: "number", role: "role", node: "string?", allow: "strings",
  },
  "ticket.redeem": {
    id: "string", node: "string", nodeId: "string", csrKeyHash: "string", address: "string?", inboundPort: "number?",
  },
  "ticket.delete": { id: "string" },
  "token.create": {
    accessor: "string", secretHash: "string", roles: "strings", description: "string", expMs: "number?",
  },
  "token.delete": { accessor: "string" },
  "intention.put": { intention: INTENTION, createOnly: "boolean?" },
  "intention.delete": { id: "string?", source: [SERVICE, "?"], destination: [SERVICE, "?"] },
  "resource.put": { resource: KEY, cas: "number?" },
  "resource.delete": { resource: KEY, cas: "number?" },
  "resource.apply": { resources: [KEY, "*"], intentions: [INTENTION, "*"] },
  "ca.root.add": { root: { id: "string", pem: "string" }, sealedCaKey: "string?" },
};

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An object whose values are all strings. */
export const isTexts = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((v) => typeof v === "string");

export const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((v) => typeof v === "string");

const LEAVES: Readonly<Record<Leaf, (value: unknown) => boolean>> = {
  "string": (v) => typeof v === "string",
  "string?": (v) => v === undefined || typeof v === "string",
  "number": (v) => typeof v === "number" && Number.isSafeInteger(v),
  "number?": (v) => v === undefined || Number.isSafeInteger(v),
  "boolean?": (v) => v === undefined || typeof v === "boolean",
  "strings": isStrings,
  "texts": isTexts,
  "rows": (v) => Array.isArray(v) && v.every(isObject),
  "action": (v) => v === "allow" || v === "deny",
  "role": (v) => v === "agent" || v === "server",
};

function fits(value: unknown, shape: Shape): boolean {
  if (!isObject(value)) return false;
  for (const [field, kind] of Object.entries(shape)) {
    const part = value[field];
    if (typeof kind === "string") {
      if (!LEAVES[kind](part)) return false;
    } else if (Array.isArray(kind)) {
      const [inner, count] = kind as readonly [Shape, "?" | "*"];
      const ok = count === "?" ? part === undefined || fits(part, inner)
        : Array.isArray(part) && part.every((p) => fits(p, inner));
      if (!ok) return false;
    } else if (!fits(part, kind as Shape)) {
      return false;
    }
  }
  return true;
}

/** The value as a command when its type is known and its fields have their types; unknown fields pass. */
export function readShape(value: unknown): Command | undefined {
  if (!isObject(value) || typeof value["type"] !== "string" || !Object.hasOwn(SHAPES, value["type"])) return undefined;
  return fits(value, SHAPES[value["type"] as Command["type"]]) ? (value as unknown as Command) : undefined;
}
