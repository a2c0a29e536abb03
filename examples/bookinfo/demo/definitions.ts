/** The service definitions of services/, with this run's ports in place of the written ones. */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { type AddressInfo, type Server, createServer } from "node:net";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../services");

export interface Definition {
  readonly service: {
    readonly name: string;
    readonly id: string;
    port: number;
    readonly checks: { http?: string; tcp?: string }[];
    readonly connect?: { readonly sidecar_service: { readonly proxy: { readonly upstreams: Upstream[] } } };
  };
}

export interface Upstream {
  readonly destination_name: string;
  local_bind_port: number;
}

export const readDefinition = (file: string): Definition =>
  JSON.parse(readFileSync(join(FOLDER, `${file}.json`), "utf8")) as Definition;

export const upstreamsOf = ({ service }: Definition): readonly Upstream[] =>
  service.connect?.sidecar_service.proxy.upstreams ?? [];

/** A copy with the application's port, in its checks too, and the upstreams' local ports by destination. */
export function withPorts(definition: Definition, port: number, upstreams: ReadonlyMap<string, number>): Definition {
  const copy = structuredClone(definition);
  const written = `127.0.0.1:${copy.service.port}`;
  const now = `127.0.0.1:${port}`;
  for (const check of copy.service.checks) {
    if (check.http !== undefined) check.http = check.http.replace(written, now);
    if (check.tcp !== undefined) check.tcp = check.tcp.replace(written, now);
  }
  copy.service.port = port;
  for (const upstream of upstreamsOf(copy)) {
    upstream.local_bind_port = upstreams.get(upstream.destination_name) ?? upstream.local_bind_port;
  }
  return copy;
}

export interface HeldPorts {
  readonly ports: readonly number[];
  /** Lets them go, for whoever is to listen there. */
  release(): Promise<void>;
}

/** Below what the system gives to connections and to port 0: nobody gets one of these by chance. */
const LOWEST = 20_000;

/** Free ports for the upstreams; held until they are wanted, so that nothing else can take one. */
export async function holdPorts(count: number): Promise<HeldPorts> {
  const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  const highest = Math.max(LOWEST + 1_000, Number(/^\d+/.exec(range)?.[0] ?? 32_768) - 1);
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = await tryPort(randomInt(LOWEST, highest + 1));
    if (server !== undefined) servers.push(server);
  }
  return {
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    release: async () => {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

function tryPort(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.unref().listen(port, "127.0.0.1", () => resolve(server));
  });
}
