import { z } from "zod";
import { bytesEqual, fromBase64 } from "../core/base/bytes.ts";
import { MeshError } from "../core/base/errors.ts";
import { DAY_MS } from "../core/base/time.ts";
import { parseCertificate } from "../core/x509/certificate.ts";
import { verifyCsr } from "../core/x509/csr.ts";
import { decodePem } from "../core/x509/pem.ts";
import { SVID_FAULTS } from "../core/x509/profile.ts";
import { verifySvid } from "../core/x509/verify.ts";
import { nodeCrypto } from "../io/crypto.ts";
import type { ApiRequest, ApiResponse } from "../io/api/router.ts";
import type { Admission } from "./admit.ts";
import { clusterOf } from "./authority.ts";
import type { ServerContext } from "./context.ts";
import type { RateLimiter } from "./rate-limit.ts";

/*
 * A host that was off for weeks comes back with a certificate that has expired, which opens no TLS connection any more.
 * Here it shows that certificate and a request signed by the same key; for 90 days that is enough, unless the node was
 * revoked. The answer is of use to the holder of the key only, so nothing in the exchange is a secret.
 */

const EXPIRED_GRACE_MS = 90 * DAY_MS;

const REQUEST = z.object({ chain_pem: z.string().max(32_768), csr: z.string().max(16_384) });

export interface RenewOptions {
  readonly context: ServerContext;
  readonly limiter: RateLimiter;
  readonly admission: Admission;
}

/** `POST /v1/mesh/renew` {chain_pem, csr: base64 DER} → {chain_pem, roots_pem, grpc_servers}. */
export async function renewExpired(options: RenewOptions, req: ApiRequest): Promise<ApiResponse> {
  const { context, limiter, admission } = options;
  limiter.take(req.remoteAddress, "attempts to renew from this address");
  const parsed = REQUEST.safeParse(await req.json());
  if (!parsed.success) throw new MeshError("CERT_INVALID", "renewing needs chain_pem and csr");
  const [leafDer, ...chainDers] = decodePem(parsed.data.chain_pem);
  const csrDer = fromBase64(parsed.data.csr);
  if (leafDer === undefined || csrDer === undefined) throw new MeshError("CERT_INVALID", "there is no certificate");
  const { trustDomain, servers } = clusterOf(context.catalog);
  const checked = verifySvid(nodeCrypto, {
    leafDer, chainDers, rootDers: context.authority.rootsPem().flatMap((pem) => decodePem(pem)),
    nowMs: context.nowMs(), trustDomain, expiredGraceMs: EXPIRED_GRACE_MS,
  });
  if (!checked.ok) {
    const { reason } = checked;
    throw new MeshError("CERT_INVALID", `the certificate is refused (${reason}): ${SVID_FAULTS[reason]}`);
  }
  const { id } = checked;
  const old = parseCertificate(leafDer);
  if (id.kind !== "node") throw new MeshError("CERT_INVALID", "only a host's certificate is renewed here");
  const { spkiDer } = verifyCsr(nodeCrypto, csrDer);
  if (!bytesEqual(spkiDer, old.spkiDer)) {
    throw new MeshError("CERT_INVALID", "the request is not signed by the certificate's key");
  }
  await context.raft.readIndex();
  admission.admit({ kind: "node", name: id.name, notBeforeMs: old.notBeforeMs });
  const leaf = context.authority.signNode(spkiDer, id.name);
  context.log.info({ node: id.name, serial: leaf.serialHex }, "expired host certificate renewed");
  return {
    status: 200,
    body: { chain_pem: leaf.certPem, roots_pem: context.authority.rootsPem(), grpc_servers: servers },
  };
}
