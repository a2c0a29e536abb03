import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { accepting, freePort } from "../processes.ts";
import type { Lane, LaneContext } from "./lane.ts";

const COMMON = `global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
  ssl-default-server-options ssl-min-ver TLSv1.3 no-tls-tickets
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
`;

/** Two HAProxy processes with mutual TLS between them, over HTTP/1.1 or HTTP/2. */
export async function startHaproxy(context: LaneContext, version: "h1" | "h2"): Promise<Lane> {
  const { certificates: certs, processes, backendPort, folder } = context;
  const [front, middle] = [await freePort(), await freePort()];
  const alpn = version === "h2" ? "h2" : "http/1.1";
  const near = `${COMMON}
frontend in
  bind 127.0.0.1:${front}
  default_backend out
backend out
  server far 127.0.0.1:${middle} ssl crt ${certs.caller.bothFile} ca-file ${certs.rootFile} verify required \
sni str(${certs.sni}) alpn ${alpn} pool-max-conn -1
`;
  const far = `${COMMON}
frontend in
  bind 127.0.0.1:${middle} ssl crt ${certs.called.bothFile} ca-file ${certs.rootFile} verify required alpn ${alpn}
  default_backend out
backend out
  server app 127.0.0.1:${backendPort} pool-max-conn -1
`;
  const start = async (side: string, config: string, port: number): Promise<number> => {
    const file = join(folder, `haproxy-${version}-${side}.cfg`);
    writeFileSync(file, config);
    const args = ["-db", "-f", file];
    const started = processes.start(`haproxy-${version}-${side}`, context.tools.haproxy!, { args });
    await accepting(port, started);
    return started.pid;
  };
  const pids = [await start("far", far, middle), await start("near", near, front)];
  const title = `HAProxy pair, mTLS, HTTP/${version === "h2" ? "2" : "1.1"} between`;
  return { name: `haproxy-${version}`, title, port: front, pids };
}
