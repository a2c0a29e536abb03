import { type ApiServer, createApiServer } from "../io/api/router.ts";
import { RouteTable } from "../io/api/table.ts";
import { createGrpcServer, type RunningGrpcServer } from "../io/grpc/server.ts";
import { type Credentials, serverTlsOptions } from "../io/tls/context.ts";
import { Admission } from "./admit.ts";
import type { Closers } from "./closers.ts";
import { apiRoutes } from "./http/routes.ts";
import type { ServerOptions } from "./options.ts";
import { RateLimiter } from "./rate-limit.ts";
import { meshHandlers } from "./rpc/handlers.ts";
import { WatchHub } from "./rpc/watch.ts";
import type { ServerState } from "./state.ts";
import { createOwnIdentity } from "./svid.ts";

/** A rack of hosts may join from behind one address. */
const JOINING = { each: { burst: 50, perSecond: 5 }, all: { burst: 500, perSecond: 50 } };

export interface Ports {
  readonly http: number | undefined;
  readonly https: number;
  readonly grpc: number;
}

const apiTls = (credentials: Credentials): ReturnType<typeof serverTlsOptions> =>
  serverTlsOptions(credentials, { clientCertificate: "none" });

/** gRPC for hosts, HTTPS for joining and the API, HTTP for this host. */
export async function openListeners(options: ServerOptions, state: ServerState, closers: Closers): Promise<Ports> {
  const { node, bind, advertise, log } = options;
  const { context, trustDomain } = state;
  const { authority, catalog, nowMs, random } = context;
  const bound = { http: undefined as number | undefined, https: 0, grpc: 0 };
  const admission = new Admission(catalog);
  const routes = apiRoutes({
    context,
    admission,
    joining: new RateLimiter({ ...JOINING, nowMs: () => performance.now() }),
    grpcAddress: () => hostPort(advertise, bound.grpc),
    httpsAddresses: () => [hostPort(advertise, bound.https)],
  });

  const servers: { grpc?: RunningGrpcServer; https?: ApiServer } = {};
  const identity = createOwnIdentity({
    authority, node, log, random,
    onRenewed: (credentials) => {
      servers.grpc?.setTls(credentials);
      servers.https?.setTls(apiTls(credentials));
    },
  });
  closers.add(() => identity.stop());
  const hub = new WatchHub(catalog, log);
  const dispatcher = { table: new RouteTable(routes), log };
  const grpc = createGrpcServer({
    handlers: meshHandlers({ context, hub, dispatcher }), tls: identity.current(), trustDomain, log, nowMs,
    admit: (caller) => admission.admit(caller),
  });
  servers.grpc = grpc;
  closers.add(() => grpc.close());
  // Closed before the port: it ends the streams, for which closing the port would wait.
  closers.add(() => hub.close());
  closers.add(catalog.onChange((_index, touched) => {
    if (touched.has("nodes")) grpc.recheck();
    // Not in the middle of applying: signing takes a millisecond.
    if (touched.has("roots")) setImmediate(() => identity.renew());
  }));
  bound.grpc = (await grpc.listen({ host: bind, port: options.grpcPort })).port;

  const allowedHosts = [advertise, bind, node, `server.${trustDomain}`].map((name) => name.toLowerCase());
  const https = createApiServer({ routes, log, allowedHosts, tls: apiTls(identity.current()) });
  servers.https = https;
  closers.add(() => https.close());
  bound.https = (await https.listen({ host: bind, port: options.httpsPort })).port;
  if (options.http !== undefined) {
    if (!isLoopback(options.http.host)) {
      log.warn({ host: options.http.host }, "the HTTP API is reachable from other hosts: tokens travel there in clear");
    }
    const http = createApiServer({ routes, log });
    closers.add(() => http.close());
    bound.http = (await http.listen(options.http)).port;
  }
  return bound;
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || host.startsWith("127.");

/** `host:port`, an IPv6 address in brackets. */
export const hostPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
