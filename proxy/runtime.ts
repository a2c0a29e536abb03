/**
 * What the proxy runs, and how a snapshot becomes it. Everything that can fail is made first (TLS contexts); then all
 * of it is put in force in one turn of the loop; listeners follow, each on its own: one that cannot be bound is named
 * in the acknowledgement, and the others serve.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ListenerState } from "../core/model/control.ts";
import type { BindConfig, OutboundConfig, ProxySnapshot } from "../core/model/snapshot.ts";
import { parseServiceName } from "../core/model/names.ts";
import type { ProxyStats } from "../core/model/telemetry.ts";
import type { Endpoint } from "../core/traffic/balance.ts";
import { listen } from "../io/listeners.ts";
import type { Listener } from "../io/listeners.ts";
import { createSlabPool } from "../io/sockets/slabs.ts";
import { describe } from "./dump.ts";
import { makeIdentities } from "./identity.ts";
import type { Identity, Trust } from "./identity.ts";
import { Inbound } from "./inbound.ts";
import { LocalService } from "./local-service.ts";
import { Outbound } from "./outbound.ts";
import { Stats } from "./stats.ts";
import { HandshakeGate, TunnelGroup } from "./tunnel-group.ts";

/** Tunnels opened when configuration arrives; the rest open on first use. */
const WARM_MAX = 32;
const TICK_MS = 1_000;
/** Connections to one listener at once. */
const CONNECTIONS_MAX = 20_000;
const DRAIN_POLL_MS = 50;

/** A listener that is bound, or why it is not. */
interface Bound {
  readonly bind: string;
  readonly listener: Listener | undefined;
  readonly error: string;
}

/** A peer that fails over and over must not fill the log. */
const LINES_PER_TICK_MAX = 5;

export interface RuntimeOptions {
  /** Takes a line for the log. */
  readonly say?: (line: string) => void;
  readonly random?: () => number;
}

export class Runtime {
  readonly stats = new Stats(Date.now());
  snapshot: ProxySnapshot | undefined = undefined;
  readonly services = new Map<string, LocalService>();
  identities: ReadonlyMap<string, Identity> = new Map();
  readonly outbounds = new Map<string, Outbound>();
  readonly groups = new Map<string, TunnelGroup>();
  /** Left the configuration; they end when what runs on them has. */
  private readonly retired = new Set<Outbound | TunnelGroup>();
  private readonly options: RuntimeOptions;
  private lines = 0;
  private readonly random: () => number;
  private readonly slabs = createSlabPool();
  private readonly gate = new HandshakeGate();
  private readonly inbound: Inbound;
  private readonly bound = new Map<string, Bound>();
  private readonly timer: NodeJS.Timeout;
  private trust: Trust = { trustDomain: "", rootsPem: [] };
  private opened = 0;
  private applying: Promise<unknown> = Promise.resolve();

  constructor(options: RuntimeOptions = {}) {
    this.options = options;
    this.random = options.random ?? Math.random;
    this.inbound = new Inbound({
      stats: this.stats,
      slabs: this.slabs,
      services: () => this.services,
      identities: () => this.identities,
      trust: () => this.trust,
      say: (line) => this.say(line),
    });
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.timer.unref();
  }

  /** Puts the snapshot in force; one after the other. Throws when it cannot be, and then nothing changed. */
  apply(snapshot: ProxySnapshot): Promise<ListenerState[]> {
    const next = this.applying.then(() => this.applyNow(snapshot));
    this.applying = next.catch(() => undefined);
    return next;
  }

  private async applyNow(snapshot: ProxySnapshot): Promise<ListenerState[]> {
    const trust: Trust = { trustDomain: snapshot.trustDomain, rootsPem: snapshot.rootsPem };
    const rootsChanged = trust.trustDomain !== this.trust.trustDomain
      || trust.rootsPem.join("") !== this.trust.rootsPem.join("");
    const identities = makeIdentities(snapshot.identities, trust, this.identities, rootsChanged);
    // Nothing below fails.
    const before = this.identities;
    this.snapshot = snapshot;
    this.trust = trust;
    this.identities = identities;
    this.applyLocals(snapshot);
    this.inbound.renew(rootsChanged && before.size > 0);
    this.applyOutbounds(snapshot);
    for (const [key, group] of this.groups) {
      const source = key.slice(0, key.indexOf(" "));
      if (before.has(source) && before.get(source) !== identities.get(source)) group.renew();
    }
    this.warm();
    return this.bindAll(snapshot);
  }

  private applyLocals(snapshot: ProxySnapshot): void {
    const named = new Set(snapshot.locals.map((local) => local.service));
    for (const config of snapshot.locals) {
      // One that left and comes back is the same: whom it let in before is judged by its policy of now.
      const known = this.services.get(config.service) ?? this.inbound.serviceInUse(config.service);
      this.services.set(config.service, known ?? new LocalService(config));
      if (known === undefined) continue;
      if (known.update(config)) this.stats.policyCuts += this.inbound.enforce(known);
    }
    for (const [key, service] of this.services) {
      if (named.has(key)) continue;
      this.services.delete(key);
      service.close();
    }
    this.inbound.forgetInstances();
  }

  private applyOutbounds(snapshot: ProxySnapshot): void {
    const used = new Set<TunnelGroup>();
    const named = new Set(snapshot.outbounds.map((outbound) => outbound.key));
    for (const config of snapshot.outbounds) {
      let outbound = this.outbounds.get(config.key);
      if (outbound === undefined) {
        outbound = new Outbound(config, {
          stats: this.stats,
          node: snapshot.node,
          random: this.random,
          groupFor: (now, endpoint) => this.groupFor(now, endpoint),
        });
        this.outbounds.set(config.key, outbound);
      } else outbound.update(config);
      for (const group of outbound.groups) used.add(group);
    }
    for (const [key, outbound] of this.outbounds) {
      if (named.has(key)) continue;
      this.outbounds.delete(key);
      this.retired.add(outbound);
      outbound.drain();
    }
    for (const [key, group] of this.groups) {
      if (used.has(group)) continue;
      this.groups.delete(key);
      this.retired.add(group);
      group.close();
    }
  }

  private groupFor(config: OutboundConfig, { config: { host, port } }: Endpoint): TunnelGroup {
    const key = `${config.source} ${host} ${port} ${config.destination}`;
    const known = this.groups.get(key);
    if (known !== undefined) return known;
    const group = new TunnelGroup({
      host, port,
      destination: parseServiceName(config.destination),
      credentials: () => {
        const identity = this.identities.get(config.source);
        return identity === undefined ? undefined : { identity, trust: this.trust };
      },
      connectTimeoutMs: config.connectTimeoutMs,
      slabs: this.slabs,
      gate: this.gate,
      onLinks: (change) => {
        this.opened += change;
      },
      say: (line) => this.say(line),
    });
    this.groups.set(key, group);
    return group;
  }

  private warm(): void {
    let left = WARM_MAX - this.opened;
    for (const outbound of this.outbounds.values()) {
      for (const endpoint of outbound.balancer.endpoints) {
        if (left <= 0 || !endpoint.config.healthy) continue;
        const { group } = outbound.way(endpoint);
        if (!group.isIdle) continue;
        group.warm();
        left--;
      }
    }
  }

  private async bindAll(snapshot: ProxySnapshot): Promise<ListenerState[]> {
    const wanted = new Map<string, { bind: BindConfig; accept: Parameters<typeof listen>[1]["onConnection"] }>();
    wanted.set("inbound", { bind: snapshot.inbound, accept: (socket) => this.inbound.accept(socket) });
    for (const { key, bind } of snapshot.outbounds) {
      wanted.set(key, { bind, accept: (socket) => {
        const outbound = this.outbounds.get(key);
        if (outbound === undefined) socket.destroy();
        else outbound.accept(socket);
      } });
    }
    for (const [key, bound] of this.bound) {
      const want = wanted.get(key);
      if (want !== undefined && bindText(want.bind) === bound.bind && bound.listener !== undefined) continue;
      this.bound.delete(key);
      await bound.listener?.close();
    }
    for (const [key, { bind, accept }] of wanted) {
      if (this.bound.has(key)) continue;
      this.bound.set(key, await tryListen(bind, accept));
    }
    return this.listeners();
  }

  listeners(): ListenerState[] {
    return [...this.bound]
      .map(([key, { listener, error }]) => ({ key, address: listener?.address ?? "", error }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** As bound; 0 while it is not. */
  portOf(key: string): number {
    return this.bound.get(key)?.listener?.port ?? 0;
  }

  readStats(): ProxyStats {
    return this.stats.read(this.opened + this.inbound.tunnelCount);
  }

  /** Streams that are open, on tunnels of both directions. */
  get streamCount(): number {
    let count = this.inbound.streamCount;
    for (const group of this.groups.values()) count += group.streamCount;
    return count;
  }

  dump(): unknown {
    return describe(this);
  }

  private say(line: string): void {
    if (++this.lines <= LINES_PER_TICK_MAX) this.options.say?.(line);
  }

  private tick(): void {
    this.lines = 0;
    const nowMs = performance.now();
    const wallMs = Date.now();
    this.inbound.tick(nowMs, wallMs);
    for (const service of this.services.values()) service.tick(nowMs);
    for (const outbound of this.outbounds.values()) outbound.tick(nowMs);
    for (const group of this.groups.values()) group.tick(nowMs, wallMs);
    for (const one of this.retired) {
      one.tick(nowMs, wallMs);
      if (one.isIdle) this.retired.delete(one);
    }
  }

  /** Stops accepting, lets what runs end within the time, then cuts the rest. */
  async shutdown(graceMs: number): Promise<void> {
    await this.applying;
    for (const { listener } of this.bound.values()) await listener?.close();
    this.inbound.drain();
    for (const outbound of this.outbounds.values()) outbound.drain();
    const until = performance.now() + graceMs;
    while (this.isBusy() && performance.now() < until) await delay(DRAIN_POLL_MS);
    for (const outbound of this.outbounds.values()) outbound.destroy();
    for (const group of this.groups.values()) group.destroy();
    for (const one of this.retired) one.destroy();
    this.inbound.destroy();
    for (const service of this.services.values()) service.close();
    clearInterval(this.timer);
    this.stats.close();
  }

  private isBusy(): boolean {
    let connections = this.inbound.connectionCount;
    for (const outbound of this.outbounds.values()) connections += outbound.connectionCount;
    for (const one of this.retired) if (one instanceof Outbound) connections += one.connectionCount;
    return connections > 0;
  }
}

const bindText = (bind: BindConfig): string =>
  "path" in bind ? `${bind.path} ${bind.mode}` : `${bind.host}:${bind.port}`;

async function tryListen(bind: BindConfig, onConnection: Parameters<typeof listen>[1]["onConnection"]): Promise<Bound> {
  const text = bindText(bind);
  try {
    const listener = await listen(bind, { onConnection, connectionsMax: CONNECTIONS_MAX });
    return { bind: text, listener, error: "" };
  } catch (error) {
    return { bind: text, listener: undefined, error: error instanceof Error ? error.message : String(error) };
  }
}
