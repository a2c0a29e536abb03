import { join, resolve } from "node:path";
import { PROXY_ENVIRONMENT, PROXY_NODE_FLAGS } from "../../core/model/proxy-flags.ts";
import type { Intention } from "../../core/model/intention.ts";
import type { IdentityConfig, LocalServiceConfig, OutboundConfig, ProxySnapshot } from "../../core/model/snapshot.ts";
import { TRUST_DOMAIN } from "../certificates.ts";
import type { Leaf } from "../certificates.ts";
import { controlProxy } from "../control.ts";
import type { ControlLink } from "../control.ts";
import { freePort } from "../processes.ts";
import type { Started } from "../processes.ts";
import type { Lane, LaneContext } from "./lane.ts";

const PROGRAM = resolve(import.meta.dirname, "../../proxy/main.ts");

interface Proxy {
  readonly started: Started;
  readonly link: ControlLink;
}

/** Our proxies as their agents start them, with snapshots made by hand: two hosts, or both hops in one process. */
export async function startMesh(context: LaneContext, hosts: 1 | 2): Promise<Lane> {
  const [front, inbound] = [await freePort(), await freePort()];
  await warmCompileCache(context);
  const called = identity("default/api", context.certificates.called);
  const caller = identity("default/web", context.certificates.caller);
  const far = await startProxy(context, `mesh${hosts}-far`);
  const base = { version: 1, trustDomain: TRUST_DOMAIN, rootsPem: [context.certificates.rootPem] };
  const inboundBind = { host: "127.0.0.1", port: inbound };
  const proxies = [far];
  if (hosts === 1) {
    await apply(far, {
      ...base, node: "far", inbound: inboundBind, identities: [called, caller], locals: [local(context)],
      outbounds: [outbound(front, inbound)],
    });
  } else {
    const near = await startProxy(context, `mesh${hosts}-near`);
    proxies.push(near);
    await apply(far, {
      ...base, node: "far", inbound: inboundBind, identities: [called], locals: [local(context)], outbounds: [],
    });
    await apply(near, {
      ...base, node: "near", inbound: { host: "127.0.0.1", port: await freePort() }, identities: [caller], locals: [],
      outbounds: [outbound(front, inbound)],
    });
  }
  return {
    name: hosts === 1 ? "mesh-one-host" : "mesh",
    title: hosts === 1 ? "ours, both hops in one process" : "ours, a pair",
    port: front,
    pids: proxies.map((proxy) => proxy.started.pid),
    loopDelayP99Ms: async () => {
      const stats = await Promise.all(proxies.map((proxy) => proxy.link.stats()));
      return Math.max(...stats.map((one) => one.process.loopDelayP99Ms));
    },
  };
}

/** A proxy that starts from a cold cache holds 10 MB more for its life; on a real host only the first one ever does. */
async function warmCompileCache(context: LaneContext): Promise<void> {
  const { started } = await startProxy(context, "mesh-warm");
  await started.stop();
}

async function startProxy(context: LaneContext, name: string): Promise<Proxy> {
  const socket = join(context.folder, name, "control.sock");
  let started: Started | undefined;
  try {
    const link = await controlProxy(socket, () => {
      started = context.processes.start(name, process.execPath, {
        args: [...PROXY_NODE_FLAGS, ...context.proxyFlags, PROGRAM, "--socket", socket],
        env: { ...PROXY_ENVIRONMENT },
      });
    });
    return { started: started!, link };
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${started?.output() ?? ""}`, { cause: error });
  }
}

async function apply(proxy: Proxy, snapshot: ProxySnapshot): Promise<void> {
  try {
    await proxy.link.apply(snapshot);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${proxy.started.output()}`, { cause: error });
  }
}

function identity(service: string, leaf: Leaf): IdentityConfig {
  return {
    service, spiffeId: leaf.spiffeId, chainPem: leaf.certPem, keyPem: leaf.keyPem, notAfterMs: leaf.notAfterMs,
  };
}

function local(context: LaneContext): LocalServiceConfig {
  const allow: Intention = {
    id: "bench", source: { namespace: "default", name: "web" }, destination: { namespace: "default", name: "api" },
    action: "allow", description: "", meta: {}, precedence: 9, createdAtMs: 0, updatedAtMs: 0,
  };
  return {
    service: "default/api", protocol: "http", intentions: [allow],
    instances: [{ id: "api-1", address: "127.0.0.1", port: context.backendPort, ready: true, draining: false }],
  };
}

function outbound(port: number, inbound: number): OutboundConfig {
  return {
    key: `default/web/web-1/default/api/${port}`, source: "default/web", destination: "default/api",
    bind: { host: "127.0.0.1", port }, protocol: "http", balance: "round_robin", connectTimeoutMs: 5_000,
    endpoints: [{ id: "api-1", node: "far", host: "127.0.0.1", port: inbound, weight: 1, healthy: true }],
  };
}
