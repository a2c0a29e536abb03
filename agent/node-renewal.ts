/**
 * The host's own certificate lives 30 days and is renewed daily, so that a host may be off for weeks. The same file
 * holds what the servers say of the cluster: roots and their own addresses, which follow their topics.
 */
import { toBase64 } from "../core/base/bytes.ts";
import { MeshError } from "../core/base/errors.ts";
import { DAY_MS } from "../core/base/time.ts";
import type { NodeTopicRecord, RootRecord } from "../core/model/catalog.ts";
import { nodeSpiffeId } from "../core/model/spiffe.ts";
import { parseCertificate } from "../core/x509/certificate.ts";
import { createCsr } from "../core/x509/csr.ts";
import { decodePem } from "../core/x509/pem.ts";
import { renewalFailed, renewalState, type Renewal } from "../core/x509/renewal.ts";
import { nodeCrypto } from "../io/crypto.ts";
import type { Logger } from "../io/logger.ts";
import { storeCredentials, type NodeCredentials } from "./credentials.ts";
import { logged, reasonOf } from "./reasons.ts";
import type { ServerLink } from "./server-link.ts";
import { hasLists, hasTexts, postToServer, refusalOf } from "./server-post.ts";

const TICK_MS = 10_000;

interface RenewAnswer {
  readonly chain_pem: string;
  readonly roots_pem: readonly string[];
  readonly grpc_servers: readonly string[];
}
const CALL_TIMEOUT_MS = 10_000;

export interface NodeRenewalOptions {
  readonly dataDir: string;
  readonly link: ServerLink;
  readonly log: Logger;
  /** Roots changed. */
  readonly onChange: () => void;
}

export class NodeRenewal {
  readonly #options: NodeRenewalOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #closed = new AbortController();
  #renewal: Renewal;
  #busy = false;
  #lastError = "";

  constructor(options: NodeRenewalOptions) {
    this.#options = options;
    this.#renewal = dailyRenewal(options.link.credentials);
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
    // A host that was off for weeks need not wait for the first tick.
    void this.#tick();
  }

  status(): { readonly notAfterMs: number; readonly alarm: boolean; readonly lastError: string } {
    const { alarm } = renewalState(this.#renewal, Date.now());
    return { notAfterMs: this.#renewal.notAfterMs, alarm, lastError: this.#lastError };
  }

  /** What the topics `roots` and `node/<name>` say now. */
  learn(roots: readonly RootRecord[], node: NodeTopicRecord | undefined): void {
    const { link } = this.#options;
    const known = link.credentials;
    // Nobody is ever left without roots: an empty list is a topic that is not there yet.
    const rootsPem = roots.length === 0 ? known.rootsPem : roots.map((root) => root.pem).sort();
    const servers = node === undefined || node.servers.length === 0 ? known.servers : node.servers;
    const same = [...known.rootsPem].sort().join() === [...rootsPem].join() && known.servers.join() === servers.join();
    if (same) return;
    this.#store({ ...known, rootsPem, servers });
    this.#options.onChange();
  }

  close(): void {
    this.#closed.abort();
    clearInterval(this.#timer);
  }

  async #tick(): Promise<void> {
    if (this.#busy || !renewalState(this.#renewal, Date.now()).attempt) return;
    this.#busy = true;
    const { log } = this.#options;
    try {
      const expired = this.#renewal.notAfterMs <= Date.now();
      const credentials = expired ? await this.#renewExpired() : await this.#renew();
      this.#store(credentials);
      this.#renewal = dailyRenewal(credentials);
      this.#lastError = "";
      log.info({ notAfterMs: this.#renewal.notAfterMs }, "the host's certificate was renewed");
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      this.#renewal = renewalFailed(this.#renewal, Date.now(), Math.random);
      this.#lastError = reasonOf(error);
      log.warn(logged(error), "the host's certificate was not renewed");
    } finally {
      this.#busy = false;
    }
  }

  async #renew(): Promise<NodeCredentials> {
    const { link } = this.#options;
    const known = link.credentials;
    const pair = nodeCrypto.generateKeyPair("ec-p256");
    const spiffeId = nodeSpiffeId(known.trustDomain, known.node);
    const csrDer = Buffer.from(createCsr(nodeCrypto, { ...pair, spiffeId }));
    const call = { timeoutMs: CALL_TIMEOUT_MS, signal: this.#closed.signal };
    const { chainPem, rootsPem } = await link.call("renewNode", { csrDer }, call);
    const roots = rootsPem.length === 0 ? known.rootsPem : rootsPem;
    return { ...known, keyPem: pair.privateKeyPem, chainPem, rootsPem: roots };
  }

  /** After weeks off: an expired certificate opens no connection, but the proof of its key is enough for a new one. */
  async #renewExpired(): Promise<NodeCredentials> {
    const known = this.#options.link.credentials;
    const leaf = parseCertificate(decodePem(known.chainPem)[0]!);
    const csr = createCsr(nodeCrypto, {
      privateKeyPem: known.keyPem, spkiDer: leaf.spkiDer, spiffeId: nodeSpiffeId(known.trustDomain, known.node),
    });
    const body = { chain_pem: known.chainPem, csr: toBase64(csr) };
    let failure: unknown;
    for (const server of known.httpsServers) {
      try {
        const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
        const { trustDomain, rootsPem } = known;
        const answer = await postToServer({ server, rootsPem, trustDomain, path: "/v1/mesh/renew", body, signal });
        const { status, value } = answer;
        if (status === 200 && hasTexts(value, ["chain_pem"]) && hasLists(value, ["roots_pem", "grpc_servers"])) {
          const { chain_pem, roots_pem, grpc_servers } = value as RenewAnswer;
          return { ...known, chainPem: chain_pem, rootsPem: roots_pem, servers: grpc_servers };
        }
        const { message, fix } = refusalOf(answer);
        failure = new MeshError("CERT_INVALID", message, fix === undefined ? {} : { fix });
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  #store(credentials: NodeCredentials): void {
    storeCredentials(this.#options.dataDir, credentials);
    this.#options.link.replace(credentials);
  }
}

function dailyRenewal(credentials: NodeCredentials): Renewal {
  const { notBeforeMs, notAfterMs } = parseCertificate(decodePem(credentials.chainPem)[0]!);
  // A short-lived certificate (tests, strict clusters) is renewed in time all the same.
  const lifeMs = notAfterMs - notBeforeMs;
  const attemptAtMs = notBeforeMs + Math.min(DAY_MS, lifeMs / 2) * (1 + 0.2 * Math.random());
  return { notBeforeMs, notAfterMs, attemptAtMs, failures: 0, alarmAtMs: notBeforeMs + lifeMs / 2 + lifeMs / 4 };
}
