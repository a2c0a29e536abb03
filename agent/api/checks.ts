/** Reports for TTL checks. */
import { MeshError } from "../../core/base/errors.ts";
import type { CheckStatus } from "../../core/model/catalog.ts";
import type { ApiRequest, ApiResponse } from "../../io/api/router.ts";
import type { LocalAccess } from "../access.ts";
import type { AgentContext } from "../context.ts";

/** Who reports for a check must be allowed to write its service's namespace. */
function authorize(context: AgentContext, access: LocalAccess, id: string): void {
  const check = context.checks.checks().find(({ definition }) => definition.id === id);
  access.require({ kind: "write", namespace: check?.service.namespace ?? "default" });
}

/** `PUT /v1/agent/check/pass|warn|fail/:id[?note=…]`. */
export function reportCheck(status: CheckStatus) {
  return (context: AgentContext, access: LocalAccess, req: ApiRequest): ApiResponse => {
    const id = req.params["id"]!;
    authorize(context, access, id);
    context.checks.report(id, status, req.query.get("note") ?? "");
    return { status: 200 };
  };
}

/** `PUT /v1/agent/check/update/:id` with `{"Status": "passing|warning|critical", "Output": "…"}`. */
export async function updateCheck(context: AgentContext, access: LocalAccess, req: ApiRequest): Promise<ApiResponse> {
  const id = req.params["id"]!;
  authorize(context, access, id);
  const body = await req.json();
  const given: Record<string, unknown> = typeof body === "object" && body !== null ? { ...body } : {};
  const status = given["Status"] ?? given["status"];
  const output = given["Output"] ?? given["output"] ?? "";
  if ((status !== "passing" && status !== "warning" && status !== "critical") || typeof output !== "string") {
    throw new MeshError("INVALID", 'Status must be "passing", "warning" or "critical", and Output a string', {
      fix: '{"Status": "passing", "Output": "all is well"}',
    });
  }
  context.checks.report(id, status, output);
  return { status: 200 };
}
