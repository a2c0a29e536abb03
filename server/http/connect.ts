import { X509Certificate } from "node:crypto";
import { z } from "zod";
import { fromBase64 } from "../../core/base/bytes.ts";
import { MeshError } from "../../core/base/errors.ts";
import { HOUR_MS } from "../../core/base/time.ts";
import { rootsShape } from "../../core/catalog/consul-shapes.ts";
import { isoTime } from "../../core/catalog/iso-time.ts";
import { parseDuration } from "../../core/model/duration.ts";
import { DEFAULT_NAMESPACE, parseServiceName, serviceKey } from "../../core/model/names.ts";
import { serviceSpiffeId } from "../../core/model/spiffe.ts";
import { verifyCsr } from "../../core/x509/csr.ts";
import { nodeCrypto } from "../../io/crypto.ts";
import { type ApiRequest, type ApiResponse, jsonResponse } from "../../io/api/router.ts";
import type { Access } from "../access.ts";
import { clusterOf, LEAF_TTL_MS_MAX } from "../authority.ts";
import type { ServerContext } from "../context.ts";
import type { RateLimiter } from "../rate-limit.ts";
import { guarded, type GuardedRoute, list, writeOf } from "./query.ts";

/** Certificates: the roots for everybody, and short leaves for a person's own client. */
export function connectRoutes(context: ServerContext & { readonly signing: RateLimiter }): GuardedRoute[] {
  return [
    guarded(context, "GET /v1/connect/ca/roots", (req) => list(context, req, {
      topics: ["roots"],
      read: () => rootsShape(context.catalog, ({ pem }) => certificateDetails(pem)),
    })),
    guarded(context, "POST /v1/mesh/ca/issue", (req, access) => issue(context, req, access)),
  ];
}

function certificateDetails(pem: string): Record<string, unknown> {
  const certificate = new X509Certificate(pem);
  const time = (date: Date): string => isoTime(date.getTime());
  return {
    SerialNumber: certificate.serialNumber,
    NotBefore: time(certificate.validFromDate),
    NotAfter: time(certificate.validToDate),
    PrivateKeyType: certificate.publicKey.asymmetricKeyType ?? "",
  };
}

/** What a person at a terminal needs; a service gets its own from its host's agent. */
const TTL_MS_DEFAULT = HOUR_MS;

const REQUEST = z.object({
  namespace: z.string().optional(),
  service: z.string(),
  /** Base64 of the DER. */
  csr: z.string().max(16_384),
  /** Seconds, or a duration such as `30m`. */
  ttl: z.union([z.number().positive(), z.string()]).optional(),
}).strict();

async function issue(
  context: ServerContext & { readonly signing: RateLimiter }, req: ApiRequest, access: Access,
): Promise<ApiResponse> {
  const parsed = REQUEST.safeParse(await req.json());
  if (!parsed.success) {
    const fault = parsed.error.issues[0]!;
    throw new MeshError("INVALID", fault.message, { where: fault.path.join(".") });
  }
  const { namespace = DEFAULT_NAMESPACE, service: name, csr, ttl } = parsed.data;
  const service = parseServiceName(name, namespace);
  access.require(writeOf(service.namespace));
  context.signing.take(`token/${access.accessor}`, "certificate requests");
  const csrDer = fromBase64(csr);
  if (csrDer === undefined) throw new MeshError("INVALID", "is not base64", { where: "csr" });
  const { spkiDer } = verifyCsr(nodeCrypto, csrDer);
  const leaf = context.authority.signService(spkiDer, service, ttlOf(ttl));
  // The audit: who holds an identity of a service without being one of its hosts.
  const audit = { accessor: access.accessor, service: serviceKey(service), serial: leaf.serialHex };
  context.log.warn({ ...audit, not_after: isoTime(leaf.notAfterMs) }, "certificate issued by hand");
  return jsonResponse({
    chain_pem: leaf.certPem,
    roots_pem: context.authority.rootsPem(),
    spiffe_id: serviceSpiffeId(clusterOf(context.catalog).trustDomain, service),
    not_after: isoTime(leaf.notAfterMs),
  });
}

function ttlOf(ttl: number | string | undefined): number {
  const ms = ttl === undefined ? TTL_MS_DEFAULT : typeof ttl === "number" ? ttl * 1000 : parseDuration(ttl);
  if (ms === undefined || ms < 1000 || ms > LEAF_TTL_MS_MAX) {
    throw new MeshError("INVALID", "is not a duration of 1s to 7d", { where: "ttl", fix: 'write it like "1h"' });
  }
  return ms;
}
