import { MeshError } from "../core/base/errors.ts";
import { MINUTE_MS } from "../core/base/time.ts";
import type { Catalog } from "../core/catalog/catalog.ts";
import type { Caller } from "../io/grpc/server.ts";

/** Certificates begin this long before they are issued (issue.ts), in whole seconds. */
const BACKDATED_MS = 5 * MINUTE_MS + 1_000;

/**
 * A certificate says who calls; the catalog says whether they still belong to the mesh: the node is known, not
 * revoked, and the certificate is not from before the host joined under this name (it would be its predecessor's, who
 * may have been revoked).
 */
export class Admission {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Throws CERT_INVALID. */
  admit(caller: Pick<Caller, "kind" | "name" | "notBeforeMs">): void {
    // Only the CA key, which servers alone hold, makes a server's certificate.
    if (caller.kind === "server") return;
    const { name, notBeforeMs } = caller;
    const node = this.#catalog.node(name);
    if (node === undefined) throw new MeshError("CERT_INVALID", `node "${name}" is not in the catalog`);
    if (node.revoked === true) throw new MeshError("CERT_INVALID", `node "${name}" was revoked`);
    if (notBeforeMs + BACKDATED_MS >= (node.joinedAtMs ?? 0)) return;
    throw new MeshError("CERT_INVALID", `the certificate is from before node "${name}" joined`);
  }
}
