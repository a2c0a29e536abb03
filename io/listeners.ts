/**
 * The only file that makes listeners. A listener of a running proxy is never bound a second time: whoever upgrades the
 * proxy one day passes its descriptor, and this is where it would arrive.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { MeshError } from "../core/base/errors.ts";

export type ListenAddress =
  | { readonly host: string; readonly port: number }
  /** `mode` is octal text; empty leaves it to the umask. */
  | { readonly path: string; readonly mode: string };

export interface Listener {
  /** `host:port` or the path, as bound. */
  readonly address: string;
  /** 0 for a path. */
  readonly port: number;
  /** Stops accepting; connections live on. */
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly onConnection: (socket: Socket) => void;
  readonly onError?: (error: Error) => void;
  readonly backlog?: number;
  /** Connections at once; more are closed as they come. */
  readonly connectionsMax?: number;
}

const BACKLOG = 1_024;

/** Binds and accepts. Throws ADDRESS_IN_USE, NOT_ALLOWED or INVALID, naming the address. */
export async function listen(address: ListenAddress, options: ListenOptions): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, options.onConnection);
  if (options.connectionsMax !== undefined) server.maxConnections = options.connectionsMax;
  if ("path" in address) await removeStaleSocket(address.path);
  await bind(server, address, options.backlog ?? BACKLOG);
  server.on("error", (error) => options.onError?.(error));
  if ("path" in address) {
    if (address.mode !== "") chmodSync(address.path, Number.parseInt(address.mode, 8));
    return { address: address.path, port: 0, close: () => closeServer(server) };
  }
  const { port } = server.address() as AddressInfo;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return { address: `${host}:${port}`, port, close: () => closeServer(server) };
}

function bind(server: Server, address: ListenAddress, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(explain(address, error));
    server.once("error", onError);
    server.listen({ ...("path" in address ? { path: address.path } : address), backlog }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

function explain(address: ListenAddress, error: NodeJS.ErrnoException): MeshError {
  const where = "path" in address ? address.path : `${address.host}:${address.port}`;
  if (error.code === "EADDRINUSE") {
    return new MeshError("ADDRESS_IN_USE", `${where} is already in use (EADDRINUSE)`, { where, cause: error });
  }
  if (error.code === "EACCES") {
    return new MeshError("NOT_ALLOWED", `${where} may not be bound by this user (EACCES)`, {
      where, cause: error, fix: "choose a port above 1023 or a folder that the proxy may write to",
    });
  }
  return new MeshError("INVALID", `${where} cannot be bound: ${error.message}`, {
    where, cause: error, fix: "use an address of this host",
  });
}

/** A socket file that nobody listens on any more is left by a killed process; one that answers is in use. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isSocket()) return;
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", () => resolve(false));
  });
  if (!alive) unlinkSync(path);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // Resolves once nothing is accepted any more: connections have their own ends.
    server.close();
    resolve();
  });
}
