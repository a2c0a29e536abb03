import { DAY_MS } from "../core/base/time.ts";
import { nodeCrypto } from "../io/crypto.ts";
import type { Logger } from "../io/logger.ts";
import type { Credentials } from "../io/tls/context.ts";
import type { Authority } from "./authority.ts";

/*
 * A server's own certificate. It lives 30 days and is made anew each day, with a new key that is never written
 * anywhere; a server that starts makes itself one, since it holds the CA.
 */

export interface OwnIdentityOptions {
  readonly authority: Authority;
  readonly node: string;
  readonly log: Logger;
  readonly random: () => number;
  /** Puts new credentials to use; called for each but the first. */
  readonly onRenewed: (credentials: Credentials) => void;
}

export interface OwnIdentity {
  readonly current: () => Credentials;
  /** Makes a new one now: after a change of roots. */
  renew(): void;
  stop(): void;
}

export function createOwnIdentity(options: OwnIdentityOptions): OwnIdentity {
  const { authority, node, log, random, onRenewed } = options;
  let current = issue(authority, node);
  let timer: NodeJS.Timeout | undefined;
  const schedule = (): void => {
    clearTimeout(timer);
    timer = setTimeout(renew, DAY_MS * (0.75 + random() / 4)).unref();
  };
  const renew = (): void => {
    try {
      current = issue(authority, node);
      onRenewed(current);
      log.info("own certificate renewed");
    } catch (error) {
      // The old one is good for weeks; the next turn tries again.
      log.error({ err: error }, "own certificate could not be renewed");
    }
    schedule();
  };
  schedule();
  return { current: () => current, renew, stop: () => clearTimeout(timer) };
}

function issue(authority: Authority, node: string): Credentials {
  const pair = nodeCrypto.generateKeyPair("ec-p256");
  const leaf = authority.signServer(pair.spkiDer, node);
  return { rootsPem: authority.rootsPem(), chainPem: leaf.certPem, keyPem: pair.privateKeyPem };
}
