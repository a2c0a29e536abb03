import { allows, notAllowedMessage } from "../../core/authz/allow.ts";
import { MeshError } from "../../core/base/errors.ts";
import { parseServiceName, serviceKey } from "../../core/model/names.ts";
import { verifyCsr } from "../../core/x509/csr.ts";
import { nodeCrypto } from "../../io/crypto.ts";
import type { RenewNodeRequest, SignLeafRequest, SignLeafResponse } from "../../io/gen/mesh/v1/mesh.ts";
import type { Caller } from "../../io/grpc/server.ts";
import type { ServerContext } from "../context.ts";
import type { RateLimiter } from "../rate-limit.ts";

/**
 * Signing for hosts. The identity comes from who calls and what the catalog says of them, never from the request,
 * which only proves that the caller holds the key (pitfall 32).
 */

/** A certificate for a service: only for what is registered on the calling host and covered by its `allow`. */
export async function signLeaf(
  context: ServerContext & { readonly signing: RateLimiter }, request: SignLeafRequest, caller: Caller,
): Promise<SignLeafResponse> {
  context.signing.take(caller.name, "certificate requests");
  const service = parseServiceName(`${request.namespace}/${request.service}`);
  await context.raft.readIndex();
  const { catalog, authority } = context;
  if (!allows(catalog.node(caller.name)?.allow ?? [], service)) {
    const { message, fix } = notAllowedMessage(caller.name, service);
    throw new MeshError("NOT_ALLOWED", message, { fix });
  }
  const registered = catalog.instancesOn(caller.name)
    .some((instance) => instance.namespace === service.namespace && instance.service === service.name);
  if (!registered) {
    throw new MeshError("NOT_FOUND", `${serviceKey(service)} is not registered on node "${caller.name}"`, {
      fix: "register it first: mesh agent register service.json",
    });
  }
  const { spkiDer } = verifyCsr(nodeCrypto, request.csrDer);
  const leaf = authority.signService(spkiDer, service);
  const signed = { node: caller.name, service: serviceKey(service), serial: leaf.serialHex };
  context.log.info(signed, "certificate signed");
  return { chainPem: leaf.certPem, rootsPem: authority.rootsPem() };
}

/** The host's own certificate again. */
export async function renewNode(
  context: ServerContext & { readonly signing: RateLimiter }, request: RenewNodeRequest, caller: Caller,
): Promise<SignLeafResponse> {
  if (caller.kind !== "node") throw new MeshError("DENIED", "only a host renews its certificate here");
  context.signing.take(caller.name, "certificate requests");
  await context.raft.readIndex();
  if (context.catalog.node(caller.name) === undefined) {
    throw new MeshError("CERT_INVALID", `node "${caller.name}" is not in the catalog any more`);
  }
  const { spkiDer } = verifyCsr(nodeCrypto, request.csrDer);
  const leaf = context.authority.signNode(spkiDer, caller.name);
  context.log.info({ node: caller.name, serial: leaf.serialHex }, "host certificate renewed");
  return { chainPem: leaf.certPem, rootsPem: context.authority.rootsPem() };
}
