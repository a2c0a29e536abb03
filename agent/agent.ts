/** The agent's parts, and how a change in one reaches the others. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { LocalView } from "../core/antientropy/diff.ts";
import type { AgentView } from "../core/compile/snapshot.ts";
import type { NodeTopicRecord, RootRecord } from "../core/model/catalog.ts";
import { PROXY_NODE_FLAGS } from "../core/model/proxy-flags.ts";
import { ensureDir } from "../io/files.ts";
import { AgentAccess } from "./access.ts";
import { Changes } from "./changes.ts";
import { CheckRunner } from "./check-runner.ts";
import type { AgentContext } from "./context.ts";
import { ProxyControl } from "./control.ts";
import type { NodeCredentials } from "./credentials.ts";
import { IdentityManager } from "./identities.ts";
import { LocalState, type CheckResult } from "./local-state.ts";
import { NodeRenewal } from "./node-renewal.ts";
import { SOCKET_PATH_MAX, type AgentOptions } from "./options.ts";
import { SnapshotPublisher } from "./publisher.ts";
import { TelemetryReporter } from "./reporter.ts";
import { ServerLink } from "./server-link.ts";
import { loadServiceFiles } from "./services-dir.ts";
import { ProxySupervisor } from "./supervisor.ts";
import { CatalogSync } from "./sync.ts";
import { TelemetryTotals } from "./telemetry.ts";
import { TokenCache } from "./token-cache.ts";
import { TopicStore } from "./topic-store.ts";
import { compilerInput, instanceRecord, maintenanceCheck, topicsFor } from "./view.ts";
import { WatchClient } from "./watch-client.ts";

export class Agent implements AgentContext {
  readonly options: AgentOptions;
  readonly nodeId: string;
  readonly startedAtMs = Date.now();
  readonly link: ServerLink;
  readonly tokens: TokenCache;
  readonly access: AgentAccess;
  readonly state: LocalState;
  readonly store: TopicStore;
  readonly checks: CheckRunner;
  readonly sync: CatalogSync;
  readonly identities: IdentityManager;
  readonly nodeRenewal: NodeRenewal;
  readonly control: ProxyControl;
  readonly supervisor: ProxySupervisor;
  readonly publisher: SnapshotPublisher;
  readonly telemetry: TelemetryTotals;
  readonly #watch: WatchClient;
  readonly #reporter: TelemetryReporter;
  readonly #changes = new Changes();
  #inboundPort: number;
  /** The catalog hears of this host once its inbound port is open. */
  #announced = false;
  #fileWarnings: readonly string[] = [];

  constructor(options: AgentOptions, nodeId: string, credentials: NodeCredentials) {
    const { node, dataDir, log } = options;
    this.options = options;
    this.nodeId = nodeId;
    this.#inboundPort = options.inboundPort;

    this.state = new LocalState(dataDir, log);
    this.checks = new CheckRunner({
      node,
      restored: (checkId) => this.state.result(checkId),
      onReport: (checkId, result) => this.#onCheck(checkId, result),
      onDeregister: (id, checkId) => this.#onCriticalForTooLong(id, checkId),
    });

    const link = new ServerLink(credentials);
    this.link = link;
    const { clusterId } = credentials;
    this.tokens = new TokenCache({ path: join(dataDir, "tokens.json"), clusterId, log, nowMs: Date.now });
    this.access = new AgentAccess(link, this.tokens);
    const onChange = (): void => this.#recompile();
    this.store = new TopicStore({
      path: join(dataDir, "topics.json"), clusterId, log, onChange: (topic) => this.#onTopic(topic),
    });
    this.identities = new IdentityManager({ dir: join(dataDir, "identities"), link, log, onChange });
    this.nodeRenewal = new NodeRenewal({ dataDir, link, log, onChange });
    this.sync = new CatalogSync({
      link, log, local: () => this.#localView(), onSynced: (keys) => this.#onSynced(keys),
    });
    this.#watch = new WatchClient({ link, store: this.store, log, onConnected: () => this.#announce() });

    const path = controlPath(dataDir);
    this.control = new ProxyControl({ path, log, pid: () => this.supervisor.pid, onChange: () => this.#onProxy() });
    this.supervisor = new ProxySupervisor({
      command: [...proxyCommand(options), "--socket", path], cacheDir: join(resolve(dataDir), "proxy/compiled"), log,
      shutdown: (graceMs) => this.control.shutdown(graceMs),
    });
    this.publisher = new SnapshotPublisher(this.control, () => this.#compilerView());
    this.telemetry = new TelemetryTotals(Date.now());
    this.#reporter = new TelemetryReporter({
      node, control: this.control, link, telemetry: this.telemetry, log,
    });
  }

  inboundPort(): number {
    return this.#inboundPort;
  }

  warnings(): readonly string[] {
    return this.#fileWarnings;
  }

  collect(): Promise<void> {
    return this.#reporter.collect();
  }

  nextChange(signal: AbortSignal): Promise<void> {
    return this.#changes.next(signal);
  }

  reload(): readonly string[] {
    const { ids, warnings } = loadServiceFiles(this.options.servicesDir, this.state);
    this.#fileWarnings = warnings;
    this.servicesChanged();
    return ids;
  }

  /** After registrations changed: checks, certificates, topics, catalog and proxy follow. */
  servicesChanged(): void {
    const definitions = this.state.services().map(({ definition }) => definition);
    this.checks.setServices(definitions);
    this.identities.setServices(definitions.map(({ namespace, name }) => ({ namespace, name })));
    this.#watch.setTopics(topicsFor(this.options.node, definitions));
    this.#announce();
    this.#recompile();
  }

  /** Ends every part but the proxy, and writes what is not on disk yet. */
  close(): void {
    const { publisher, sync, nodeRenewal, identities, checks } = this;
    for (const part of [this.#reporter, publisher, sync, this.#watch, nodeRenewal, identities, checks]) part.close();
    this.store.flush();
    this.state.flush();
    this.tokens.flush();
    this.link.close();
  }

  #announce(): void {
    if (this.#announced) this.sync.trigger();
  }

  #recompile(): void {
    this.publisher.schedule();
    this.#changes.notify();
  }

  #onTopic(topic: string): void {
    const self = `node/${this.options.node}`;
    if (topic === "roots" || topic === self) {
      const known = this.store.items(self)?.[0] as NodeTopicRecord | undefined;
      this.nodeRenewal.learn((this.store.items("roots") ?? []) as RootRecord[], known);
    }
    // What this host may be has changed: what was refused may be accepted now.
    if (topic === self) this.#announce();
    this.#recompile();
  }

  #onCheck(checkId: string, result: CheckResult | undefined): void {
    this.state.setResult(checkId, result);
    this.#announce();
    this.#recompile();
  }

  #onCriticalForTooLong(id: string, check: string): void {
    this.options.log.warn({ id, check }, "a service was critical for too long and is deregistered");
    this.state.remove([id]);
    this.servicesChanged();
  }

  #onSynced(keys: ReadonlySet<string>): void {
    this.identities.registered(keys);
    this.#changes.notify();
  }

  #onProxy(): void {
    const port = boundInboundPort(this.control);
    if (port !== undefined && (port !== this.#inboundPort || !this.#announced)) {
      this.#inboundPort = port;
      this.#announced = true;
      this.publisher.schedule();
      this.#announce();
    }
    this.publisher.onAck();
    this.#changes.notify();
  }

  #localView(): LocalView {
    const { node, advertise } = this.options;
    const services = this.state.services();
    return {
      node: { name: node, id: this.nodeId, address: advertise, inboundPort: this.#inboundPort, meta: {} },
      instances: services.map((service) => instanceRecord(node, service)),
      checks: [...this.checks.records(), ...services.flatMap((service) => maintenanceCheck(node, service))],
    };
  }

  #compilerView(): Omit<AgentView, "version"> {
    const { node, bind, advertise } = this.options;
    const { trustDomain, rootsPem } = this.link.credentials;
    return {
      node, trustDomain, rootsPem, advertise, inbound: { host: bind, port: this.#inboundPort },
      identities: this.identities.current(),
      ...compilerInput(this.state.services(), this.store, (id) => this.checks.statusOf(id)),
    };
  }
}

/** The port that the proxy really listens on for other hosts. */
export function boundInboundPort(control: ProxyControl): number | undefined {
  const inbound = control.status().listeners.find(({ key, error }) => key === "inbound" && error === "");
  const port = Number(/:(\d+)$/.exec(inbound?.address ?? "")?.[1]);
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

/** In a folder of its own, 0700: the socket carries private keys. */
function controlPath(dataDir: string): string {
  const folder = join(resolve(dataDir), "proxy");
  const path = join(folder, "control.sock");
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    return join(mkdtempSync(join(tmpdir(), "mesh-proxy-")), "control.sock");
  }
  ensureDir(folder, 0o700);
  return path;
}

function proxyCommand(options: AgentOptions): readonly string[] {
  const program = resolve(import.meta.dirname, "../proxy/main.ts");
  return options.proxyCommand ?? [process.execPath, ...PROXY_NODE_FLAGS, program];
}
