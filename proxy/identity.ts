/** What TLS of one local service needs, made once per certificate. */
import type { SecureContext } from "node:tls";
import type { IdentityConfig } from "../core/model/snapshot.ts";
import { createContext } from "../io/tls/context.ts";

export interface Identity {
  readonly config: IdentityConfig;
  readonly context: SecureContext;
}

/** Trust that every connection of the proxy shares. */
export interface Trust {
  readonly trustDomain: string;
  readonly rootsPem: readonly string[];
}

/** Contexts for these identities; those whose certificate and roots are the same as before are kept as they are. */
export function makeIdentities(
  configs: readonly IdentityConfig[], trust: Trust, before: ReadonlyMap<string, Identity>, rootsChanged: boolean,
): Map<string, Identity> {
  const out = new Map<string, Identity>();
  for (const config of configs) {
    const old = before.get(config.service);
    const same = !rootsChanged && old !== undefined
      && old.config.chainPem === config.chainPem && old.config.keyPem === config.keyPem;
    out.set(config.service, same ? old : {
      config, context: createContext({ rootsPem: trust.rootsPem, chainPem: config.chainPem, keyPem: config.keyPem }),
    });
  }
  return out;
}
