/**
 * A certificate for each local service. Keys are made here and never leave the host; certificate and key are kept in
 * the data folder (0600), so that a reboot with every server down serves on. Renewal is asked for at half to two thirds
 * of a certificate's life with a fresh key, again and again until it succeeds; what has expired is not used.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { backoffMs } from "../core/antientropy/schedule.ts";
import { MeshError } from "../core/base/errors.ts";
import { serviceKey, type ServiceName } from "../core/model/names.ts";
import type { IdentityConfig } from "../core/model/snapshot.ts";
import { parseSpiffeId, serviceSpiffeId } from "../core/model/spiffe.ts";
import { parseCertificate } from "../core/x509/certificate.ts";
import { createCsr } from "../core/x509/csr.ts";
import { decodePem } from "../core/x509/pem.ts";
import { planRenewal, renewalFailed, renewalState, type Renewal } from "../core/x509/renewal.ts";
import { nodeCrypto } from "../io/crypto.ts";
import { ensureDir } from "../io/files.ts";
import type { Logger } from "../io/logger.ts";
import { readCache, writeChecked } from "./checked-file.ts";
import { logged, reasonOf } from "./reasons.ts";
import type { ServerLink } from "./server-link.ts";

const TICK_MS = 1_000;
const CALL_TIMEOUT_MS = 10_000;
/** A first certificate that is refused: how long until the next request without an outside hint. */
const RETRY = { firstMs: 250, maxMs: 30_000, random: Math.random };

export interface IdentityStatus {
  readonly service: string;
  readonly spiffeId: string;
  /** 0: there is none yet. */
  readonly notAfterMs: number;
  readonly alarm: boolean;
  readonly error: string;
}

interface StoredIdentity {
  readonly keyPem: string;
  readonly chainPem: string;
}

interface Held {
  readonly service: ServiceName;
  /** The servers sign only for what they have in the catalog: before that, asking is in vain. */
  registered: boolean;
  identity: IdentityConfig | undefined;
  renewal: Renewal | undefined;
  failures: number;
  /** For the first certificate: wall time of the next request. */
  nextMs: number;
  error: string;
  busy: boolean;
}

export interface IdentityManagerOptions {
  readonly dir: string;
  readonly link: ServerLink;
  readonly log: Logger;
  /** Certificates changed, or one has expired. */
  readonly onChange: () => void;
}

export class IdentityManager {
  readonly #options: IdentityManagerOptions;
  readonly #held = new Map<string, Held>();
  readonly #timer: NodeJS.Timeout;
  readonly #closed = new AbortController();

  constructor(options: IdentityManagerOptions) {
    this.#options = options;
    ensureDir(options.dir, 0o700);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** The services of this host from now on. */
  setServices(services: readonly ServiceName[]): void {
    const wanted = new Map(services.map((service) => [serviceKey(service), service]));
    for (const [key, held] of this.#held) {
      if (wanted.has(key)) continue;
      this.#held.delete(key);
      rmSync(this.#file(held.service), { force: true });
    }
    for (const [key, service] of wanted) if (!this.#held.has(key)) this.#held.set(key, this.#load(service));
    this.#tick();
  }

  /** The catalog has these services (`ns/name`) of this host now: ask at once for what is missing. */
  registered(keys: ReadonlySet<string>): void {
    for (const [key, held] of this.#held) {
      held.registered = keys.has(key);
      held.nextMs = 0;
    }
    this.#tick();
  }

  /** Certificates that are valid now, by `ns/name`. */
  current(): ReadonlyMap<string, IdentityConfig> {
    const nowMs = Date.now();
    const valid = [...this.#held].flatMap(([key, { identity }]) =>
      identity !== undefined && identity.notAfterMs > nowMs ? [[key, identity] as const] : []);
    return new Map(valid);
  }

  status(): readonly IdentityStatus[] {
    const nowMs = Date.now();
    return [...this.#held].map(([service, { identity, renewal, error }]) => ({
      service, spiffeId: identity?.spiffeId ?? "", notAfterMs: identity?.notAfterMs ?? 0, error,
      alarm: renewal !== undefined && renewalState(renewal, nowMs).alarm,
    })).sort((a, b) => (a.service < b.service ? -1 : 1));
  }

  close(): void {
    this.#closed.abort();
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = Date.now();
    for (const held of this.#held.values()) {
      const { renewal, identity } = held;
      if (renewal !== undefined && renewalState(renewal, nowMs).phase === "expired" && identity !== undefined) {
        held.identity = undefined;
        const service = serviceKey(held.service);
        this.#options.log.error({ service }, "a certificate has expired: its service is cut off");
        this.#options.onChange();
      }
      const first = held.registered && nowMs >= held.nextMs;
      const due = renewal === undefined ? first : renewalState(renewal, nowMs).attempt;
      if (due && !held.busy && !this.#closed.signal.aborted) void this.#request(held);
    }
  }

  async #request(held: Held): Promise<void> {
    held.busy = true;
    const key = serviceKey(held.service);
    try {
      const stored = await this.#sign(held.service);
      if (this.#held.get(key) !== held) return;
      writeChecked(this.#file(held.service), stored);
      this.#take(held, stored);
      held.failures = 0;
      held.error = "";
      this.#options.log.info({ service: key, notAfterMs: held.identity?.notAfterMs }, "the service has a certificate");
      this.#options.onChange();
    } catch (error) {
      this.#failed(held, error);
    } finally {
      held.busy = false;
    }
  }

  async #sign({ namespace, name }: ServiceName): Promise<StoredIdentity> {
    const { link } = this.#options;
    const pair = nodeCrypto.generateKeyPair("ec-p256");
    const spiffeId = serviceSpiffeId(link.credentials.trustDomain, { namespace, name });
    const csrDer = createCsr(nodeCrypto, { ...pair, spiffeId });
    const call = { timeoutMs: CALL_TIMEOUT_MS, signal: this.#closed.signal };
    const signed = await link.call("signLeaf", { namespace, service: name, csrDer: Buffer.from(csrDer) }, call);
    const stored = { keyPem: pair.privateKeyPem, chainPem: signed.chainPem };
    if (readIdentity({ namespace, name }, stored).spiffeId !== spiffeId) {
      throw new MeshError("CERT_INVALID", `the servers signed another identity than ${spiffeId}`);
    }
    return stored;
  }

  #failed(held: Held, error: unknown): void {
    if (this.#closed.signal.aborted) return;
    const nowMs = Date.now();
    held.failures++;
    const message = reasonOf(error);
    if (message !== held.error) {
      this.#options.log.warn({ service: serviceKey(held.service), ...logged(error) }, "no certificate for a service");
    }
    held.error = message;
    if (held.renewal !== undefined) held.renewal = renewalFailed(held.renewal, nowMs, Math.random);
    held.nextMs = nowMs + backoffMs(held.failures, RETRY);
  }

  #load(service: ServiceName): Held {
    const held: Held = {
      service, registered: false, identity: undefined, renewal: undefined, failures: 0, nextMs: 0, error: "",
      busy: false,
    };
    const warn = (message: string): void => this.#options.log.warn(message);
    const stored = readCache(this.#file(service), warn) as StoredIdentity | undefined;
    if (stored === undefined) return held;
    const { trustDomain } = this.#options.link.credentials;
    const known = parseSpiffeId(readIdentity(service, stored).spiffeId);
    // A data folder that joined another cluster since has nothing to do with its old certificates.
    if (known?.trustDomain === trustDomain) this.#take(held, stored);
    return held;
  }

  #take(held: Held, stored: StoredIdentity): void {
    const { notBeforeMs, ...identity } = readIdentity(held.service, stored);
    held.identity = identity;
    held.renewal = planRenewal(notBeforeMs, identity.notAfterMs, Math.random);
  }

  #file({ namespace, name }: ServiceName): string {
    return join(this.#options.dir, `${namespace}.${name}.json`);
  }
}

function readIdentity(service: ServiceName, stored: StoredIdentity): IdentityConfig & { notBeforeMs: number } {
  const leaf = parseCertificate(decodePem(stored.chainPem)[0]!);
  const { notBeforeMs, notAfterMs } = leaf;
  const spiffeId = leaf.extensions.uriSans[0] ?? "";
  return { service: serviceKey(service), spiffeId, ...stored, notBeforeMs, notAfterMs };
}

