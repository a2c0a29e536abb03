/**
 * Who may use the agent's API. Over the unix socket the kernel says who calls: root, the agent's own user and members
 * of group mesh may use the local verbs without a token. Over TCP a token decides; what it may do is asked of the
 * servers, remembered for a while, and for as long as no server answers.
 */
import { readFileSync } from "node:fs";
import { authorize, describeNeed, type Need } from "../core/acl/roles.ts";
import { MeshError } from "../core/base/errors.ts";
import type { ApiRequest, PeerCredentials } from "../io/api/router.ts";
import { readFileIfExists } from "../io/files.ts";
import { isAway } from "./reasons.ts";
import type { ServerLink } from "./server-link.ts";
import type { TokenCache, TokenDecision } from "./token-cache.ts";

/** So long a decision is used without asking again. */
const KNOWN_MS = 30_000;
const CALL_TIMEOUT_MS = 5_000;
const GROUP = "mesh";

/** What a request may do. */
export interface LocalAccess {
  readonly local: boolean;
  can(need: Need): boolean;
  /** Throws DENIED. */
  require(need: Need): void;
  /** Throws DENIED for a token without any role. */
  requireAny(): void;
}

const LOCAL: LocalAccess = { local: true, can: () => true, require: () => undefined, requireAny: () => undefined };

export class AgentAccess {
  readonly #link: Pick<ServerLink, "call">;
  readonly #tokens: TokenCache;

  constructor(link: Pick<ServerLink, "call">, tokens: TokenCache) {
    this.#link = link;
    this.#tokens = tokens;
  }

  /** Throws NO_TOKEN, DENIED, or UNREACHABLE when nobody can say what an unknown token may do. */
  async of(req: ApiRequest): Promise<LocalAccess> {
    if (req.peer !== undefined && isLocalUser(req.peer)) return LOCAL;
    if (req.token === "") throw new MeshError("NO_TOKEN", "Permission denied: this needs a token");
    const { accessor, roles } = await this.#resolve(req.token);
    const can = (need: Need): boolean => authorize(roles, need);
    return {
      local: false,
      can,
      require: (need) => {
        if (can(need)) return;
        throw new MeshError("DENIED", `Permission denied: token ${accessor} lacks ${describeNeed(need)}`);
      },
      requireAny: () => {
        if (roles.length === 0) throw new MeshError("DENIED", `Permission denied: token ${accessor} has no role`);
      },
    };
  }

  async #resolve(token: string): Promise<TokenDecision> {
    const held = this.#tokens.get(token);
    if (held !== undefined && held.ageMs < KNOWN_MS) return held.decision;
    const atMs = Date.now();
    try {
      const answer = await this.#link.call("resolveToken", { token }, { timeoutMs: CALL_TIMEOUT_MS });
      const { known, accessor, roles, expMs } = answer;
      if (known) {
        const decision = { accessor, roles, expMs, atMs };
        this.#tokens.put(token, decision);
        return decision;
      }
    } catch (error) {
      if (isAway(error) && held !== undefined) return held.decision;
      throw error;
    }
    this.#tokens.delete(token);
    throw new MeshError("DENIED", "Permission denied: ACL not found: the token is unknown or has expired", {
      fix: "use a valid token; management can make one: mesh acl token create",
    });
  }
}

/** Root, the agent's own user, or a member of group mesh. */
function isLocalUser(peer: PeerCredentials): boolean {
  if (peer.uid === 0 || peer.uid === process.getuid!()) return true;
  const gid = groupId(GROUP);
  return gid !== undefined && (peer.gid === gid || groupsOf(peer.pid).includes(gid));
}

function groupId(name: string): number | undefined {
  const line = readFileIfExists("/etc/group")?.toString("utf8").split("\n").find((row) => row.startsWith(`${name}:`));
  const id = Number(line?.split(":")[2]);
  return line === undefined || !Number.isInteger(id) ? undefined : id;
}

/** Supplementary groups of a process; the kernel's credentials of a socket carry only the primary one. */
function groupsOf(pid: number): number[] {
  try {
    const line = /^Groups:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
    return line.trim().split(/\s+/).filter((text) => text !== "").map(Number);
  } catch {
    return [];
  }
}
