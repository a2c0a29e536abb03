/** What the proxy really runs, for `mesh proxy-config`; never a key. */
import type { Runtime } from "./runtime.ts";

export function describe(runtime: Runtime): unknown {
  const { snapshot } = runtime;
  return {
    version: snapshot?.version ?? 0,
    node: snapshot?.node ?? "",
    listeners: runtime.listeners(),
    routes: [...runtime.outbounds.values()].map(({ config }) => ({
      listener: config.key, source: config.source, destination: config.destination, protocol: config.protocol,
    })),
    clusters: [...runtime.outbounds.values()].map(({ config, balancer }) => ({
      name: config.key, destination: config.destination, balance: config.balance,
      connectTimeoutMs: config.connectTimeoutMs, endpoints: balancer.endpoints.length, healthy: balancer.healthyCount,
    })),
    endpoints: [...runtime.outbounds.values()].flatMap((outbound) => outbound.balancer.endpoints.map((endpoint) => {
      const { group } = outbound.way(endpoint);
      const { id, node, host, port, weight, healthy } = endpoint.config;
      return {
        cluster: outbound.config.key, id, node, host, port, weight, healthy,
        active: endpoint.active, connectFailures: endpoint.failures,
        avoidedMs: Math.max(0, Math.round(endpoint.avoidUntilMs - performance.now())),
        tunnels: group.linkCount, lastError: group.lastError,
      };
    })),
    locals: [...runtime.services.values()].map(({ key, config, policyVersion }) => ({
      service: key, protocol: config.protocol, policyVersion,
      instances: config.instances,
      intentions: config.intentions.length,
    })),
    certs: [...runtime.identities.values()].map(({ config }) => ({
      service: config.service, spiffeId: config.spiffeId, notAfter: new Date(config.notAfterMs).toISOString(),
      chainPem: config.chainPem,
    })),
    policyCuts: runtime.stats.policyCuts,
  };
}
