import {
  type handleUnaryCall, Server as GrpcServer, ServerCredentials, type ServerDuplexStream,
} from "@grpc/grpc-js";
import type { AddressInfo } from "node:net";
import { createServer, type Server as TlsServer, type TLSSocket } from "node:tls";
import { MeshError } from "../../core/base/errors.ts";
import {
  type ForwardRequest, type ForwardResponse, type MeshServer, MeshService, type NodeStateRequest,
  type NodeStateResponse, type RenewNodeRequest, type ResolveTokenRequest, type ResolveTokenResponse,
  type SignLeafRequest, type SignLeafResponse, type SyncNodeRequest, type SyncNodeResponse, type TelemetryReply,
  type TelemetryReport, type WatchEvent, type WatchRequest,
} from "../gen/mesh/v1/mesh.ts";
import { listenError } from "../api/listen.ts";
import type { Logger } from "../logger.ts";
import { type Credentials, serverTlsOptions } from "../tls/context.ts";
import { peerIdentity } from "../tls/identity.ts";
import { toGrpcError } from "./errors.ts";

/*
 * The gRPC port of a server. TLS is ours and not the library's: TLS 1.3, a client certificate required, and after the
 * handshake our own check of the SVID decides who calls. Only then is the connection handed to gRPC, which sees it as
 * a plain HTTP/2 transport. A call's identity is that of its connection, found by the remote address and port, and
 * never anything that a message says.
 */

/** Who calls, as the certificate says. */
export interface Caller {
  readonly kind: "node" | "server";
  readonly name: string;
  /** SHA-256 of the certificate, hex. */
  readonly certDerHash: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly address: string;
}

export type UnaryHandler<Req, Res> = (request: Req, caller: Caller, signal: AbortSignal) => Promise<Res>;
export type WatchStream = ServerDuplexStream<WatchRequest, WatchEvent>;

export interface MeshHandlers {
  watch(stream: WatchStream, caller: Caller): void;
  nodeState: UnaryHandler<NodeStateRequest, NodeStateResponse>;
  syncNode: UnaryHandler<SyncNodeRequest, SyncNodeResponse>;
  signLeaf: UnaryHandler<SignLeafRequest, SignLeafResponse>;
  renewNode: UnaryHandler<RenewNodeRequest, SignLeafResponse>;
  forward: UnaryHandler<ForwardRequest, ForwardResponse>;
  reportTelemetry: UnaryHandler<TelemetryReport, TelemetryReply>;
  resolveToken: UnaryHandler<ResolveTokenRequest, ResolveTokenResponse>;
}

export interface GrpcServerOptions {
  readonly handlers: MeshHandlers;
  readonly tls: Credentials;
  readonly trustDomain: string;
  readonly log: Logger;
  /** Called for each connection and each call: a revoked node's certificate is still valid, but no longer welcome. */
  readonly admit: (caller: Caller) => void;
  readonly nowMs: () => number;
}

export interface RunningGrpcServer {
  listen(address: { readonly host: string; readonly port: number }): Promise<{ host: string; port: number }>;
  /** New connections use these; those that are open keep theirs. */
  setTls(tls: Credentials): void;
  /** Cuts the connections of callers that `admit` now refuses. */
  recheck(): void;
  close(): Promise<void>;
}

/** Larger than any one host's registrations; a forwarded body is at most 4 MiB. */
const RECEIVE_BYTES_MAX = 8 * 1024 * 1024;
const KEEPALIVE = {
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
  "grpc.max_send_message_length": -1,
};
const SERVER_TLS = { clientCertificate: "required", alpn: ["h2"] } as const;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 8_192;
const CLOSE_GRACE_MS = 1_000;
/** What a timer holds, 24 days; hosts renew daily, and with another certificate they connect anew. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export function createGrpcServer(options: GrpcServerOptions): RunningGrpcServer {
  const connections = new Map<string, { readonly caller: Caller; readonly socket: TLSSocket }>();
  const grpc = new GrpcServer(KEEPALIVE);
  grpc.addService(MeshService, implementation(options, connections));
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const tls = createServer({
    ...serverTlsOptions(options.tls, SERVER_TLS),
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  tls.maxConnections = CONNECTIONS_MAX;
  tls.on("tlsClientError", (error) => options.log.debug({ reason: error.message }, "TLS handshake failed"));
  tls.on("secureConnection", (socket) => {
    const caller = identify(socket, options);
    // Two connections of one remote address and port can only differ in ours; a call could not be told to which it
    // belongs, so the second is not taken.
    if (caller === undefined || connections.has(caller.address)) {
      socket.destroy();
      return;
    }
    const key = caller.address;
    connections.set(key, { caller, socket });
    // A stream that runs on asks nothing again: nothing lives past the certificate that opened it.
    const leftMs = Math.min(caller.notAfterMs - options.nowMs(), TIMER_MS_MAX);
    const expiry = setTimeout(() => socket.destroy(), leftMs).unref();
    socket.on("close", () => {
      clearTimeout(expiry);
      connections.delete(key);
    });
    injector.injectConnection(socket);
  });
  return {
    listen: (address) => listen(tls, address),
    setTls: (fresh) => tls.setSecureContext(serverTlsOptions(fresh, SERVER_TLS)),
    recheck: () => {
      for (const { caller, socket } of connections.values()) if (!admitted(options, caller)) socket.destroy();
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => tls.close(() => resolve()));
      injector.drain(CLOSE_GRACE_MS);
      const cut = setTimeout(() => {
        for (const { socket } of connections.values()) socket.destroy();
      }, CLOSE_GRACE_MS);
      await closed;
      clearTimeout(cut);
      injector.destroy();
      grpc.forceShutdown();
    },
  };
}

function identify(socket: TLSSocket, options: GrpcServerOptions): Caller | undefined {
  const address = `${socket.remoteAddress}:${socket.remotePort}`;
  const refuse = (reason: string): undefined => {
    options.log.warn({ address, reason }, "gRPC connection refused");
    return undefined;
  };
  const peer = peerIdentity(socket, { trustDomain: options.trustDomain, nowMs: options.nowMs() });
  if (!peer.ok) return refuse(peer.reason);
  if (peer.id.kind === "service") return refuse("a service's certificate does not open the control plane");
  const { certDerHash, notAfterMs } = peer;
  const notBeforeMs = socket.getPeerX509Certificate()?.validFromDate.getTime() ?? 0;
  const caller = { kind: peer.id.kind, name: peer.id.name, certDerHash, notBeforeMs, notAfterMs, address };
  return admitted(options, caller) ? caller : refuse(`${caller.name} may not connect any more`);
}

function admitted(options: GrpcServerOptions, caller: Caller): boolean {
  try {
    options.admit(caller);
    return caller.notAfterMs > options.nowMs();
  } catch {
    return false;
  }
}

type Connections = ReadonlyMap<string, { readonly caller: Caller }>;

function implementation(options: GrpcServerOptions, connections: Connections): MeshServer {
  const callerOf = (peer: string): Caller => {
    const caller = connections.get(peer)?.caller;
    if (caller === undefined) throw new MeshError("CERT_INVALID", "the connection has no identity");
    options.admit(caller);
    if (caller.notAfterMs <= options.nowMs()) throw new MeshError("CERT_INVALID", "the certificate has expired");
    return caller;
  };
  const unary = <Req, Res>(name: string, handler: UnaryHandler<Req, Res>): handleUnaryCall<Req, Res> =>
    (call, reply) => {
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort());
      // `async` so that a throw before the first await becomes a rejection too.
      const run = async (): Promise<Res> => handler(call.request, callerOf(call.getPeer()), gone.signal);
      run().then(
        (response) => reply(null, response),
        (error: unknown) => {
          if (!(error instanceof MeshError)) options.log.error({ err: error, rpc: name }, "call failed");
          reply(toGrpcError(error));
        },
      );
    };
  const { handlers } = options;
  return {
    watch: (stream: WatchStream) => {
      try {
        handlers.watch(stream, callerOf(stream.getPeer()));
      } catch (error) {
        stream.emit("error", toGrpcError(error));
      }
    },
    nodeState: unary("NodeState", handlers.nodeState),
    syncNode: unary("SyncNode", handlers.syncNode),
    signLeaf: unary("SignLeaf", handlers.signLeaf),
    renewNode: unary("RenewNode", handlers.renewNode),
    forward: unary("Forward", handlers.forward),
    reportTelemetry: unary("ReportTelemetry", handlers.reportTelemetry),
    resolveToken: unary("ResolveToken", handlers.resolveToken),
  };
}

function listen(server: TlsServer, address: { host: string; port: number }): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, address)));
    server.listen(address.port, address.host, () => {
      const bound = server.address() as AddressInfo;
      resolve({ host: bound.address, port: bound.port });
    });
  });
}
