import { chmodSync, lstatSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { MeshError } from "../../core/base/errors.ts";

export type ListenAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string; readonly mode: number };

export interface BoundAddress {
  /** The address, or the socket's path. */
  readonly host: string;
  /** 0 for a unix socket. */
  readonly port: number;
}

/** Binds a server. A socket file that nobody listens on any more is replaced; a port or file in use is refused. */
export async function listenOn(server: Server, address: ListenAddress): Promise<BoundAddress> {
  try {
    return await bind(server, address);
  } catch (error) {
    // A path that holds something else than a socket is a mistake in the configuration, and not ours to remove.
    const stale = "path" in address && codeOf(error) === "EADDRINUSE"
      && lstatSync(address.path, { throwIfNoEntry: false })?.isSocket() === true && !(await answers(address.path));
    if (!stale) throw listenError(error, address);
    rmSync(address.path, { force: true });
    return bind(server, address).catch((again: unknown) => {
      throw listenError(again, address);
    });
  }
}

function bind(server: Server, address: ListenAddress): Promise<BoundAddress> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const onListening = (): void => {
      server.off("error", reject);
      if ("path" in address) {
        chmodSync(address.path, address.mode);
        resolve({ host: address.path, port: 0 });
      } else {
        const bound = server.address() as AddressInfo;
        resolve({ host: bound.address, port: bound.port });
      }
    };
    if (!("path" in address)) {
      server.listen(address.port, address.host, onListening);
      return;
    }
    // Created closed, opened to `mode` once it is there: no moment in which others could connect.
    const before = process.umask(0o177);
    server.listen(address.path, onListening);
    process.umask(before);
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.on("connect", () => end(true));
    socket.on("error", (error) => end(codeOf(error) !== "ECONNREFUSED"));
  });
}

/** What to tell a person about a failed bind. */
export function listenError(error: unknown, address: ListenAddress): MeshError {
  const shown = "path" in address ? address.path : `${address.host}:${address.port}`;
  if (codeOf(error) === "EADDRINUSE") {
    return new MeshError("ADDRESS_IN_USE", `${shown} is already in use`, { cause: error });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new MeshError("INVALID_CONFIG", `cannot listen on ${shown}: ${reason}`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
