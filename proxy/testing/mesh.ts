/** Proxies in this process with certificates made on the spot, for tests. */
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Balance, Protocol } from "../../core/model/catalog.ts";
import type { Intention } from "../../core/model/intention.ts";
import { parseServiceName } from "../../core/model/names.ts";
import type {
  BindConfig, EndpointConfig, IdentityConfig, LocalInstanceConfig, LocalServiceConfig, OutboundConfig, ProxySnapshot,
} from "../../core/model/snapshot.ts";
import { serviceSni, serviceSpiffeId } from "../../core/model/spiffe.ts";
import { createRoot, signLeaf } from "../../core/x509/issue.ts";
import type { IssuedRoot } from "../../core/x509/issue.ts";
import { nodeCrypto } from "../../io/crypto.ts";
import { Runtime } from "../runtime.ts";

export const TRUST_DOMAIN = "test.mesh";
const HOUR_MS = 3_600_000;

export class TestCa {
  readonly root: IssuedRoot;
  readonly trustDomain: string;

  constructor(trustDomain = TRUST_DOMAIN) {
    this.trustDomain = trustDomain;
    this.root = createRoot(nodeCrypto, { trustDomain, nowMs: Date.now() });
  }

  identity(service: string, spiffeId?: string, ttlMs = HOUR_MS): IdentityConfig {
    const name = parseServiceName(service);
    const pair = nodeCrypto.generateKeyPair("ec-p256");
    const id = spiffeId ?? serviceSpiffeId(this.trustDomain, name);
    const leaf = signLeaf(nodeCrypto, {
      issuerCertPem: this.root.certPem, issuerKeyPem: this.root.privateKeyPem, spkiDer: pair.spkiDer,
      spiffeId: id, dnsNames: [serviceSni(this.trustDomain, name)], nowMs: Date.now(), ttlMs,
    });
    return { service, spiffeId: id, chainPem: leaf.certPem, keyPem: pair.privateKeyPem, notAfterMs: leaf.notAfterMs };
  }
}

export function intention(source: string, destination: string, action: "allow" | "deny" = "allow"): Intention {
  const name = (text: string) => {
    const [namespace, service] = text.split("/");
    return { namespace: namespace!, name: service! };
  };
  return {
    id: `${source}-${destination}`, source: name(source), destination: name(destination), action, description: "",
    meta: {}, precedence: 9, createdAtMs: 0, updatedAtMs: 0,
  };
}

export const local = (service: string, port: number, more: Partial<LocalServiceConfig> & {
  instances?: LocalInstanceConfig[] } = {}): LocalServiceConfig => ({
  service, protocol: "auto", instances: [{ id: service.split("/")[1]!, address: "127.0.0.1", port, ready: true,
    draining: false }], intentions: [], ...more,
});

export const endpoint = (id: string, port: number, more: Partial<EndpointConfig> = {}): EndpointConfig => ({
  id, node: `node-${port}`, host: "127.0.0.1", port, weight: 1, healthy: true, ...more,
});

export function outbound(source: string, destination: string, endpoints: readonly EndpointConfig[], more: {
  bind?: BindConfig; protocol?: Protocol; balance?: Balance; connectTimeoutMs?: number } = {}): OutboundConfig {
  return {
    key: `${source}/${destination}`, source, destination, bind: { host: "127.0.0.1", port: 0 }, protocol: "auto",
    balance: "round_robin", connectTimeoutMs: 2_000, endpoints, ...more,
  };
}

let version = 0;

export const snapshot = (ca: TestCa, more: Partial<ProxySnapshot>): ProxySnapshot => ({
  version: ++version, node: "node", trustDomain: ca.trustDomain, rootsPem: [ca.root.certPem],
  inbound: { host: "127.0.0.1", port: 0 }, identities: [], locals: [], outbounds: [], ...more,
});

export interface Pair {
  readonly ca: TestCa;
  readonly source: Runtime;
  readonly destination: Runtime;
  /** Port of the caller's upstream listener. */
  readonly port: number;
  readonly inboundPort: number;
  /** The snapshots in force, to change and apply again. */
  readonly sourceSnapshot: ProxySnapshot;
  readonly destinationSnapshot: ProxySnapshot;
  close(): Promise<void>;
}

/** `default/web` on one host calls `default/api` on another, whose application listens on `appPort`. */
export async function pair(appPort: number, more: { protocol?: Protocol; allow?: boolean } = {}): Promise<Pair> {
  const ca = new TestCa();
  const source = new Runtime();
  const destination = new Runtime();
  const destinationSnapshot = snapshot(ca, {
    identities: [ca.identity("default/api")],
    locals: [local("default/api", appPort, {
      intentions: more.allow === false ? [] : [intention("default/web", "default/api")],
    })],
  });
  await destination.apply(destinationSnapshot);
  const inboundPort = destination.portOf("inbound");
  const sourceSnapshot = snapshot(ca, {
    identities: [ca.identity("default/web")],
    outbounds: [outbound("default/web", "default/api", [endpoint("api", inboundPort)], {
      protocol: more.protocol ?? "http",
    })],
  });
  await source.apply(sourceSnapshot);
  return {
    ca, source, destination, inboundPort, sourceSnapshot, destinationSnapshot,
    port: source.portOf("default/web/default/api"),
    close: async () => {
      await source.shutdown(0);
      await destination.shutdown(0);
    },
  };
}

/** A TCP server on a free loopback port. */
export async function tcpServer(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

/** Waits until the condition holds; fails after the deadline with what was waited for. */
export async function until(what: string, condition: () => boolean, deadlineMs = 5_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`gave up waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
