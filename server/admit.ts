import { MeshError } from "../core/base/errors.ts";
import type { Catalog } from "../core/catalog/catalog.ts";
import type { Caller } from "../io/grpc/server.ts";

/** A certificate says who calls; the catalog says whether they still belong to the mesh. Throws CERT_INVALID. */
export function admitCaller(catalog: Catalog, caller: Caller): void {
  // Only a server's own CA key makes a server's certificate.
  if (caller.kind === "server") return;
  const node = catalog.node(caller.name);
  if (node !== undefined && node.revoked !== true) return;
  throw new MeshError("CERT_INVALID", node === undefined
    ? `node "${caller.name}" is not in the catalog`
    : `node "${caller.name}" was revoked`);
}
