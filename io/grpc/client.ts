import { type CallOptions, type ClientUnaryCall, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { isIP } from "node:net";
import { serverSni } from "../../core/model/spiffe.ts";
import { MeshClient } from "../gen/mesh/v1/mesh.ts";
import { createContext, type Credentials, spiffeServerIdentity } from "../tls/context.ts";
import { fromGrpcError } from "./errors.ts";

/*
 * A host's connection to the servers. The certificate is checked twice: by OpenSSL against the roots, then by our own
 * code, which demands a server's SPIFFE ID of this trust domain. Until both have passed, nothing of ours was sent.
 */

export interface GrpcClientOptions {
  /** `host:port` of each server's gRPC port. Of several IP addresses of one family the first that answers is used. */
  readonly servers: readonly string[];
  readonly tls: Credentials;
  readonly trustDomain: string;
  readonly nowMs: () => number;
}

const RECEIVE_BYTES_MAX = 256 * 1024 * 1024;

/** New credentials (a renewed certificate, another set of roots) mean a new client; close the old one. */
export function createGrpcClient(options: GrpcClientOptions): MeshClient {
  const { tls, trustDomain } = options;
  const ssl = credentials.createFromSecureContext(createContext(tls), {
    checkServerIdentity: spiffeServerIdentity({
      trustDomain, accept: (id) => id.kind === "server", rootsPem: tls.rootsPem, nowMs: options.nowMs,
    }),
  });
  return new MeshClient(grpcTarget(options.servers), ssl, {
    "grpc.ssl_target_name_override": serverSni(trustDomain),
    "grpc.default_authority": serverSni(trustDomain),
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.min_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 5_000,
    "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
    "grpc.max_send_message_length": -1,
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    // A closed client must not leave its connection to another one with other credentials.
    "grpc.use_local_subchannel_pool": 1,
  });
}

/** gRPC's name for a list of addresses. Host names are resolved by it, and only the first of them is used. */
export function grpcTarget(servers: readonly string[]): string {
  const families = servers.map((server) => isIP(server.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1")));
  if (servers.length > 0 && families.every((family) => family === 4)) return `ipv4:${servers.join(",")}`;
  if (servers.length > 0 && families.every((family) => family === 6)) return `ipv6:${servers.join(",")}`;
  return `dns:${servers[0] ?? ""}`;
}

type Unary<Req, Res> = (
  request: Req, metadata: Metadata, options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Res) => void,
) => ClientUnaryCall;

export interface UnaryOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Calls `unary(client.syncNode.bind(client), request, { timeoutMs })`; rejects with the server's MeshError, or with
 * UNREACHABLE or TIMEOUT.
 */
export function unary<Req, Res>(method: Unary<Req, Res>, request: Req, options: UnaryOptions): Promise<Res> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + options.timeoutMs;
    const call = method(request, new Metadata(), { deadline }, (error, response) => {
      options.signal?.removeEventListener("abort", cancel);
      if (error === null) resolve(response);
      else reject(fromGrpcError(error));
    });
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener("abort", cancel);
    if (options.signal?.aborted) cancel();
  });
}
