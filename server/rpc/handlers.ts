import { allows } from "../../core/authz/allow.ts";
import { MeshError } from "../../core/base/errors.ts";
import type { ServiceName } from "../../core/model/names.ts";
import { TELEMETRY_REPORT } from "../telemetry-schema.ts";
import { parseJson } from "../../io/api/body.ts";
import { answerOrThrow, type Dispatcher } from "../../io/api/dispatch.ts";
import type {
  ForwardRequest, ForwardResponse, ResolveTokenRequest, ResolveTokenResponse, TelemetryReply, TelemetryReport,
} from "../../io/gen/mesh/v1/mesh.ts";
import type { Caller, MeshHandlers } from "../../io/grpc/server.ts";
import { authenticate } from "../access.ts";
import type { ServerContext } from "../context.ts";
import type { RateLimiter } from "../rate-limit.ts";
import { nodeState, syncNode } from "./nodes.ts";
import { renewNode, signLeaf } from "./sign.ts";
import type { WatchHub } from "./watch.ts";

export interface HandlerOptions {
  readonly context: ServerContext & { readonly signing: RateLimiter };
  readonly hub: WatchHub;
  readonly dispatcher: Dispatcher;
}

/** All calls of mesh.proto. */
export function meshHandlers({ context, hub, dispatcher }: HandlerOptions): MeshHandlers {
  return {
    watch: (stream, caller) => hub.serve(stream, caller),
    nodeState: (request, caller) => nodeState(context, request, caller),
    syncNode: (request, caller) => syncNode(context, request, caller),
    signLeaf: (request, caller) => signLeaf(context, request, caller),
    renewNode: (request, caller) => renewNode(context, request, caller),
    forward: (request, _caller, signal) => forward(dispatcher, request, signal),
    reportTelemetry: (request, caller) => Promise.resolve(reportTelemetry(context, request, caller)),
    resolveToken: (request) => resolveToken(context, request),
  };
}

/**
 * An API request that came to a host's agent; its token decides, not the host that carries it. Errors travel as errors:
 * the agent knows how its caller wants them.
 */
async function forward(dispatcher: Dispatcher, request: ForwardRequest, signal: AbortSignal): Promise<ForwardResponse> {
  const answer = await answerOrThrow(dispatcher, {
    method: request.method,
    target: request.target,
    headers: request.contentType === "" ? {} : { "content-type": request.contentType },
    token: request.token,
    peer: undefined,
    remoteAddress: "",
    signal,
    body: () => Promise.resolve(request.body),
    json: () => Promise.resolve(parseJson(request.body)),
  });
  return { status: answer.status, headers: { ...answer.headers }, body: answer.bytes };
}

/** Rows in which the host speaks of services that it may not be are left out: it cannot have seen them. */
function reportTelemetry(context: ServerContext, request: TelemetryReport, caller: Caller): TelemetryReply {
  const parsed = TELEMETRY_REPORT.safeParse(parseJson(request.reportJson));
  if (!parsed.success) throw new MeshError("INVALID", "the report is malformed", { cause: parsed.error });
  const allow = context.catalog.node(caller.name)?.allow ?? [];
  const own = (row: { reporter: "source" | "destination"; source: string; destination: string }): boolean =>
    allows(allow, nameOf(row.reporter === "source" ? row.source : row.destination));
  const { requests, durations, tcp } = parsed.data;
  const rows = { requests: requests.filter(own), durations: durations.filter(own), tcp: tcp.filter(own) };
  context.telemetry.add(rows, context.nowMs());
  return {};
}

function nameOf(key: string): ServiceName {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}

async function resolveToken(context: ServerContext, { token }: ResolveTokenRequest): Promise<ResolveTokenResponse> {
  await context.raft.readIndex();
  try {
    const { accessor, roles, expMs } = authenticate(context.catalog, token, context.nowMs());
    return { known: true, accessor, roles: [...roles], expMs };
  } catch {
    return { known: false, accessor: "", roles: [], expMs: 0 };
  }
}
