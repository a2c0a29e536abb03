/** The service definitions of services/, with this run's ports in place of the written ones. */
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
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

/** Free ports, chosen by the system; held all at once so that no two are the same. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return server;
  }));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
