/** What the agent does not answer itself goes to a server, with the caller's token, which decides there. */
import { parseDuration } from "../../core/model/duration.ts";
import { MeshError } from "../../core/base/errors.ts";
import type { ApiRequest, ApiResponse } from "../../io/api/router.ts";
import type { AgentContext } from "../context.ts";
import { reasonOf } from "../reasons.ts";

const TIMEOUT_MS = 15_000;
/** A blocking query without `wait` lasts as long as the servers' default. */
const BLOCKING_MS = 300_000;
const WAIT_MS_MAX = 600_000;
/** Servers add up to a sixteenth to a wait, so that clients do not come back together. */
const SLACK = 1 + 1 / 16;
const HOP_HEADERS = new Set(["connection", "content-length", "transfer-encoding", "keep-alive", "date"]);

export async function forward(context: AgentContext, req: ApiRequest): Promise<ApiResponse> {
  const query = req.query.toString();
  const request = {
    method: req.method,
    target: query === "" ? req.path : `${req.path}?${query}`,
    token: req.token,
    contentType: req.headers["content-type"] ?? "",
    body: await req.body(),
  };
  try {
    const options = { timeoutMs: timeoutOf(req), signal: req.signal };
    const { status, headers, body } = await context.link.call("forward", request, options);
    const kept = Object.entries(headers).filter(([name]) => !HOP_HEADERS.has(name.toLowerCase()));
    return { status, headers: Object.fromEntries(kept), body: Buffer.from(body) };
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== "UNREACHABLE") throw error;
    const { servers } = context.link.status();
    throw new MeshError("UNREACHABLE", `no server answers (${servers.join(", ")}): ${reasonOf(error)}`, {
      fix: "check that a server runs and that its gRPC port is reachable; local verbs work without one", cause: error,
    });
  }
}

function timeoutOf(req: ApiRequest): number {
  if (!req.query.has("index")) return TIMEOUT_MS;
  const wait = parseDuration(req.query.get("wait") ?? "") ?? BLOCKING_MS;
  return Math.min(wait, WAIT_MS_MAX) * SLACK + TIMEOUT_MS;
}
