import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { accepting, freePort } from "../processes.ts";
import type { Lane, LaneContext } from "./lane.ts";

const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

const UNLIMITED = { max_connections: 10_000, max_pending_requests: 10_000, max_requests: 10_000 };

const type = (name: string): { "@type": string } => ({ "@type": `type.googleapis.com/${name}` });
const address = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });

interface Side {
  readonly listen: number;
  readonly target: number;
  /** Transport socket of the listener and of the cluster, where they speak TLS. */
  readonly downstreamTls?: object;
  readonly upstreamTls?: object;
  readonly upstreamHttp2: boolean;
}

/** Two Envoy processes, one worker each, mutual TLS and HTTP/2 between them: the shape of a sidecar mesh. */
export async function startEnvoy(context: LaneContext): Promise<Lane> {
  const { certificates: certs, backendPort } = context;
  const [front, middle] = [await freePort(), await freePort()];
  const common = (leaf: { certFile: string; keyFile: string }): object => ({
    tls_params: { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_3" },
    alpn_protocols: ["h2"],
    tls_certificates: [{ certificate_chain: { filename: leaf.certFile }, private_key: { filename: leaf.keyFile } }],
    validation_context: { trusted_ca: { filename: certs.rootFile } },
  });
  const tls = (name: string, settings: object): object => ({
    name: "envoy.transport_sockets.tls",
    typed_config: { ...type(`envoy.extensions.transport_sockets.tls.v3.${name}`), ...settings },
  });
  const far = await start(context, "far", {
    listen: middle, target: backendPort, upstreamHttp2: false,
    downstreamTls: tls("DownstreamTlsContext", {
      require_client_certificate: true, common_tls_context: common(certs.called),
      disable_stateless_session_resumption: true,
    }),
  });
  const near = await start(context, "near", {
    listen: front, target: middle, upstreamHttp2: true,
    upstreamTls: tls("UpstreamTlsContext", { sni: certs.sni, common_tls_context: common(certs.caller) }),
  });
  return { name: "envoy", title: "Envoy pair, mTLS, HTTP/2 between", port: front, pids: [far, near] };
}

async function start(context: LaneContext, name: string, side: Side): Promise<number> {
  const file = join(context.folder, `envoy-${name}.json`);
  writeFileSync(file, JSON.stringify(config(side)));
  const args = ["-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
  const started = context.processes.start(`envoy-${name}`, context.tools.envoy!, { args });
  await accepting(side.listen, started);
  return started.pid;
}

function config(side: Side): object {
  const manager = {
    ...type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: "in", codec_type: "AUTO", generate_request_id: false,
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [
      { match: { prefix: "/" }, route: { cluster: "out" } }] }] },
    http_filters: [{ name: "envoy.filters.http.router",
      typed_config: type("envoy.extensions.filters.http.router.v3.Router") }],
  };
  const protocol = side.upstreamHttp2 ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  return {
    static_resources: {
      listeners: [{
        name: "in", address: address(side.listen),
        filter_chains: [{
          filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }],
          ...(side.downstreamTls === undefined ? {} : { transport_socket: side.downstreamTls }),
        }],
      }],
      clusters: [{
        name: "out", type: "STATIC", connect_timeout: "5s",
        load_assignment: { cluster_name: "out", endpoints: [
          { lb_endpoints: [{ endpoint: { address: address(side.target) } }] }] },
        typed_extension_protocol_options: { [HTTP_OPTIONS]: { ...type(HTTP_OPTIONS), explicit_http_config: protocol } },
        circuit_breakers: { thresholds: [UNLIMITED] },
        ...(side.upstreamTls === undefined ? {} : { transport_socket: side.upstreamTls }),
      }],
    },
  };
}
