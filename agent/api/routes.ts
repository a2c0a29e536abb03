/** The agent's own routes; everything else is forwarded to a server. */
import { MeshError } from "../../core/base/errors.ts";
import type { ApiHandler, ApiRequest, ApiResponse, Route } from "../../io/api/router.ts";
import type { LocalAccess } from "../access.ts";
import type { AgentContext } from "../context.ts";
import type { MetricsPage } from "../metrics.ts";
import { reportCheck, updateCheck } from "./checks.ts";
import { forward } from "./forward.ts";
import { deregister, maintenance, register } from "./register.ts";
import { checks, self, service, services } from "./services.ts";
import { proxyConfig, status, warnings } from "./status.ts";

const RELOAD_WAIT_MS = 2_000;

type LocalHandler =
  (context: AgentContext, access: LocalAccess, req: ApiRequest) => Promise<ApiResponse> | ApiResponse;

export function agentRoutes(context: AgentContext, page: MetricsPage): Route[] {
  const local: Record<string, LocalHandler> = {
    "PUT /v1/agent/service/register": register,
    "PUT /v1/agent/service/deregister/:id": deregister,
    "PUT /v1/agent/service/maintenance/:id": maintenance,
    "GET /v1/agent/services": services,
    "GET /v1/agent/service/:id": service,
    "GET /v1/agent/checks": checks,
    "GET /v1/agent/self": (_context, access) => anyRole(access, () => self(context)),
    "PUT /v1/agent/check/pass/:id": reportCheck("passing"),
    "PUT /v1/agent/check/warn/:id": reportCheck("warning"),
    "PUT /v1/agent/check/fail/:id": reportCheck("critical"),
    "PUT /v1/agent/check/update/:id": updateCheck,
    "PUT /v1/agent/reload": reload,
    "GET /v1/agent/metrics": (_context, access, req) => anyRole(access, () => metrics(context, page, req)),
    "GET /v1/mesh/proxy-config/:section": proxyConfig,
    "GET /v1/mesh/status": status,
  };
  const routes = Object.entries(local).map(([line, handler]): Route => {
    const [method = "", path = ""] = line.split(" ");
    return { method, path, handler: async (req) => handler(context, await context.access.of(req), req) };
  });
  return [
    ...routes,
    { method: "GET", path: "/healthz", handler: () => ({ status: 200, body: "ok\n" }) },
    { method: "GET", path: "/readyz", handler: () => readiness(context) },
  ];
}

/** For paths that are not the agent's. */
export const fallback = (context: AgentContext): ApiHandler => (req) => forward(context, req);

/** A token that may read anything at all may see what is about no service in particular. */
function anyRole<T>(access: LocalAccess, answer: () => T): T {
  access.requireAny();
  return answer();
}

/** Answers once the servers have taken or refused what was loaded, or have not said so in time. */
async function reload(context: AgentContext, access: LocalAccess): Promise<ApiResponse> {
  access.require({ kind: "management" });
  const services = context.reload();
  const warnings = context.warnings();
  const synced = await context.sync.settled(RELOAD_WAIT_MS);
  const refusals = context.sync.status().refusals.filter(({ id }) => services.includes(id));
  return { status: 200, body: { services, warnings, synced, refusals } };
}

async function metrics(context: AgentContext, page: MetricsPage, req: ApiRequest): Promise<ApiResponse> {
  const format = req.query.get("format");
  if (format !== null && format !== "prometheus") {
    throw new MeshError("INVALID", `format "${format}" is not offered`, { fix: "?format=prometheus" });
  }
  await context.collect();
  return { status: 200, headers: { "content-type": page.contentType }, body: await page.text() };
}

/** Ready while the proxy runs on a snapshot; `warnings` say what else is wrong. */
function readiness(context: AgentContext): ApiResponse {
  const { connected, ackedVersion } = context.control.status();
  const ready = connected && ackedVersion > 0;
  const lines = [`[${ready ? "+" : "-"}]proxy`, `[${context.link.status().connected ? "+" : "!"}]servers`];
  if (!ready) lines.push(...warnings(context));
  return { status: ready ? 200 : 503, body: `${lines.join("\n")}\n` };
}
