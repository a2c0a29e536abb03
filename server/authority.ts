import type { Crypto } from "../core/base/crypto.ts";
import { MeshError } from "../core/base/errors.ts";
import { HOUR_MS } from "../core/base/time.ts";
import { openSecret, type SecretKind } from "../core/ca/sealing.ts";
import type { Catalog } from "../core/catalog/catalog.ts";
import type { ClusterRecord } from "../core/catalog/records.ts";
import type { ServiceName } from "../core/model/names.ts";
import { nodeSpiffeId, serverSni, serverSpiffeId, serviceSni, serviceSpiffeId } from "../core/model/spiffe.ts";
import { type IssuedLeaf, NODE_TTL_MS, signLeaf } from "../core/x509/issue.ts";

/*
 * The CA as a server runs it. Its key is in the catalog, sealed; it is opened here, kept in memory only, and used for
 * three kinds of identity that never mix: a service's, a host's, a server's. Callers decide who may have which.
 */

export interface Authority {
  /** DNS SANs are the service's short and full names. */
  signService(spkiDer: Uint8Array, service: ServiceName, ttlMs?: number): IssuedLeaf;
  signNode(spkiDer: Uint8Array, node: string): IssuedLeaf;
  /** Only for servers: the identity that no agent's ticket can yield. */
  signServer(spkiDer: Uint8Array, node: string): IssuedLeaf;
  /** All roots to trust. */
  rootsPem(): string[];
  /** SHA-256 of the signing root's DER, hex: what tickets pin. */
  activeRootId(): string;
  gossipKey(): string;
}

export interface AuthorityOptions {
  readonly catalog: Catalog;
  readonly crypto: Crypto;
  /** 32 bytes; never in the catalog. */
  readonly sealKey: Uint8Array;
  readonly nowMs: () => number;
  /** For services; hosts and servers have NODE_TTL_MS. */
  readonly leafTtlMs: number;
}

/** A month of a service's identity on a stolen disk would be too much; a week buys days without servers. */
export const LEAF_TTL_MS_MAX = 7 * 24 * HOUR_MS;

export function createAuthority(options: AuthorityOptions): Authority {
  const { catalog, crypto, nowMs } = options;
  let opened: { readonly sealed: string; readonly keyPem: string } | undefined;
  const unseal = (what: SecretKind, sealed: string): string =>
    openSecret(crypto, options.sealKey, { what, clusterId: clusterOf(catalog).clusterId, sealed });
  const caKey = (): string => {
    const { sealedCaKey } = clusterOf(catalog);
    if (opened?.sealed !== sealedCaKey) {
      opened = { sealed: sealedCaKey, keyPem: unseal("ca-key", sealedCaKey) };
    }
    return opened.keyPem;
  };
  const active = (): { id: string; pem: string } => {
    const root = catalog.roots().find((candidate) => candidate.active);
    if (root === undefined) throw new MeshError("INTERNAL", "the catalog has no signing root");
    return root;
  };
  const sign = (spkiDer: Uint8Array, spiffeId: string, more: { dnsNames: string[]; ttlMs: number }): IssuedLeaf =>
    signLeaf(crypto, {
      issuerCertPem: active().pem, issuerKeyPem: caKey(), spkiDer, spiffeId, nowMs: nowMs(), ...more,
    });
  const trustDomain = (): string => clusterOf(catalog).trustDomain;
  return {
    signService: (spkiDer, service, ttlMs = options.leafTtlMs) =>
      sign(spkiDer, serviceSpiffeId(trustDomain(), service), {
        dnsNames: [service.name, serviceSni(trustDomain(), service)], ttlMs,
      }),
    signNode: (spkiDer, node) => sign(spkiDer, nodeSpiffeId(trustDomain(), node), { dnsNames: [], ttlMs: NODE_TTL_MS }),
    signServer: (spkiDer, node) => sign(spkiDer, serverSpiffeId(trustDomain(), node), {
      dnsNames: [serverSni(trustDomain())], ttlMs: NODE_TTL_MS,
    }),
    rootsPem: () => catalog.roots().map((root) => root.pem),
    activeRootId: () => active().id,
    gossipKey: () => unseal("gossip-key", clusterOf(catalog).sealedGossipKey),
  };
}

export function clusterOf(catalog: Catalog): ClusterRecord {
  const cluster = catalog.cluster();
  if (cluster === undefined) throw new MeshError("NO_LEADER", "the cluster is not born yet");
  return cluster;
}
