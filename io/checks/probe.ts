/** Runs a check's probe once: the one place that turns a definition into traffic or a process. */
import { unreachable } from "../../core/base/assert.ts";
import type { CheckStatus } from "../../core/model/catalog.ts";
import type { CheckProbe } from "../../core/model/service.ts";
import { probeGrpc } from "./grpc.ts";
import { probeHttp } from "./http.ts";
import { probeScript } from "./script.ts";
import { probeTcp } from "./tcp.ts";

export interface ProbeResult {
  readonly status: CheckStatus;
  readonly output: string;
}

export interface ProbeOptions {
  readonly timeoutMs: number;
  /** Ends the probe early: the check was removed, or the agent stops. */
  readonly signal: AbortSignal;
}

/** Never rejects, and never takes much longer than `timeoutMs`: what fails is critical and says why. */
export async function runProbe(
  probe: Exclude<CheckProbe, { type: "ttl" }>, options: ProbeOptions,
): Promise<ProbeResult> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  try {
    return await start(probe, signal);
  } catch (error) {
    if (signal.aborted) return { status: "critical", output: `timed out after ${options.timeoutMs} ms` };
    return { status: "critical", output: reasonOf(error) };
  }
}

function start(probe: Exclude<CheckProbe, { type: "ttl" }>, signal: AbortSignal): Promise<ProbeResult> {
  switch (probe.type) {
    case "http": return probeHttp(probe, signal);
    case "tcp": return probeTcp(probe, signal);
    case "script": return probeScript(probe, signal);
    case "grpc": return probeGrpc(probe, signal);
    default: return unreachable(probe);
  }
}

/** `connect ECONNREFUSED 127.0.0.1:80`, of each address where a name has several. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
