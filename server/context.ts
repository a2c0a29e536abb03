import { randomUUID } from "node:crypto";
import type { Catalog } from "../core/catalog/catalog.ts";
import { type Command, encodeCommand } from "../core/catalog/commands.ts";
import type { ApplyOk, ApplyResult } from "../core/catalog/records.ts";
import { CODES } from "../core/base/codes.ts";
import { type ErrorCode, MeshError } from "../core/base/errors.ts";
import type { TelemetryStore } from "../core/telemetry/topology.ts";
import type { Logger } from "../io/logger.ts";
import type { Authority } from "./authority.ts";
import type { RaftNode } from "./raft/node.ts";

/** What every handler works with. */
export interface ServerContext {
  readonly node: string;
  readonly datacenter: string;
  readonly catalog: Catalog;
  readonly raft: RaftNode;
  readonly authority: Authority;
  readonly telemetry: TelemetryStore;
  readonly log: Logger;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1); for jitter only. */
  readonly random: () => number;
}

export interface Author {
  readonly requestId?: string | undefined;
  /** Of the token that asks for it; an Access fits. What it grants is checked again where the command is applied. */
  readonly accessor?: string;
}

/**
 * Writes through the log; resolves once it is applied here. A refusal by the state machine is thrown as the MeshError
 * that it names. TIMEOUT means that the outcome is unknown (pitfall 12): a retry with the same request id is safe.
 */
export async function propose(
  context: Pick<ServerContext, "raft" | "nowMs">, command: Command, by: Author = {},
): Promise<ApplyOk> {
  const { requestId = randomUUID(), accessor } = by;
  const stamp = { requestId, nowMs: context.nowMs(), ...(accessor === undefined ? {} : { accessor }) };
  const { result } = await context.raft.propose(encodeCommand(command, stamp));
  return acceptedOrThrow(result as ApplyResult);
}

function acceptedOrThrow(result: ApplyResult): ApplyOk {
  if (result.ok) return result;
  const code = Object.hasOwn(CODES, result.code) ? (result.code as ErrorCode) : "INTERNAL";
  throw new MeshError(code, result.message, { fix: result.fix });
}
