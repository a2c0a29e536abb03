import { MeshError } from "../../core/base/errors.ts";
import type { NodeInput } from "../../core/catalog/commands.ts";
import type { CheckRecord, InstanceRecord } from "../../core/model/catalog.ts";
import { parseJson } from "../../io/api/body.ts";
import type {
  NodeStateRequest, NodeStateResponse, SyncNodeRequest, SyncNodeResponse,
} from "../../io/gen/mesh/v1/mesh.ts";
import type { Caller } from "../../io/grpc/server.ts";
import { propose, type ServerContext } from "../context.ts";

/** Anti-entropy of one host: what the catalog has of it, and what it should have. */

const REQUEST_ID_MAX = 128;

const encode = (value: object): Buffer => Buffer.from(JSON.stringify(value));

export async function nodeState(
  context: ServerContext, _request: NodeStateRequest, caller: Caller,
): Promise<NodeStateResponse> {
  // A host that compared with an old state would undo its own last sync.
  await context.raft.readIndex();
  const { catalog } = context;
  const node = catalog.node(caller.name);
  return {
    index: catalog.appliedIndex,
    nodeJson: node === undefined ? Buffer.alloc(0) : encode(node),
    instancesJson: catalog.instancesOn(caller.name).map(encode),
    checksJson: catalog.checksOn(caller.name).map(encode),
  };
}

/** One host's whole change in one entry. The rows are normalised and checked where they are applied. */
export async function syncNode(
  context: ServerContext, request: SyncNodeRequest, caller: Caller,
): Promise<SyncNodeResponse> {
  if (caller.kind !== "node") throw new MeshError("DENIED", "only a host registers services");
  // Remembered for retries, so not without bound.
  if (request.requestId.length > REQUEST_ID_MAX) throw new MeshError("INVALID", "is too long", { where: "request_id" });
  const node = caller.name;
  const record = request.nodeJson.length === 0 ? undefined : nodeInput(decode(request.nodeJson, "node_json"), node);
  const rows = <T extends object>(list: readonly Buffer[], what: string): T[] =>
    // The certificate says which host this is, whatever the row says.
    list.map((bytes, i) => ({ ...decode(bytes, `${what}[${i}]`), node }) as unknown as T);
  const result = await propose(context, {
    type: "node.sync",
    node,
    ...(record === undefined ? {} : { record }),
    instances: rows<InstanceRecord>(request.instancesJson, "instances_json"),
    checks: rows<CheckRecord>(request.checksJson, "checks_json"),
    deleteInstances: request.deleteInstances,
    deleteChecks: request.deleteChecks,
  }, request.requestId === "" ? {} : { requestId: `${node}/${request.requestId}` });
  return { index: result.index, refusals: [...(result.refusals ?? [])] };
}

function decode(bytes: Buffer, where: string): Record<string, unknown> {
  const value = parseJson(bytes);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new MeshError("INVALID", "is not a JSON object", { where });
}

function nodeInput(value: Record<string, unknown>, name: string): NodeInput {
  const { id, address, inboundPort, meta } = value;
  // Types are proven by the command's shape when it is read back; here only what is ours is picked.
  return { name, id, address, inboundPort, meta: meta ?? {} } as NodeInput;
}
