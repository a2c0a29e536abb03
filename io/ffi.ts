/**
 * The few system calls that Node does not offer, through `node:ffi`. Nothing else in the project touches it: what
 * Node's experimental interface changes is repaired here. Numbers are Linux's, equal on x86-64 and arm64.
 */
import { dlopen } from "node:ffi";
import type { Socket } from "node:net";
import { MeshError } from "../core/base/errors.ts";

/** Who is at the other end of a unix socket, as the kernel noted it at `connect` or `listen`. */
export interface PeerCred {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

type GetSockOpt = (...args: [fd: number, level: number, name: number, value: Buffer, size: Buffer]) => number;

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_SIZE = 12;

let getsockopt: GetSockOpt | undefined;

function load(): GetSockOpt {
  if (getsockopt !== undefined) return getsockopt;
  try {
    const { functions } = dlopen(null, {
      getsockopt: { arguments: ["i32", "i32", "i32", "buffer", "buffer"], return: "i32" },
    });
    getsockopt = functions.getsockopt;
    return getsockopt;
  } catch (cause) {
    throw new MeshError("INTERNAL", `the C library cannot be called through node:ffi: ${(cause as Error).message}`, {
      fix: "run the mesh with the Node 26 that it carries, on Linux (bin/mesh finds it)",
      cause,
    });
  }
}

/** Reads SO_PEERCRED of a connected unix socket's descriptor. Throws INTERNAL where the kernel gives none. */
export function peerCred(fd: number): PeerCred {
  // Not from the pool: the pointer must be the start of memory of its own.
  const value = Buffer.alloc(UCRED_SIZE);
  const size = Buffer.alloc(4);
  size.writeInt32LE(UCRED_SIZE, 0);
  const result = load()(fd, SOL_SOCKET, SO_PEERCRED, value, size);
  if (result !== 0 || size.readInt32LE(0) !== UCRED_SIZE) {
    throw new MeshError("INTERNAL", `SO_PEERCRED of descriptor ${fd} cannot be read`, {
      fix: "is it a connected unix socket?",
    });
  }
  const pid = value.readInt32LE(0);
  const uid = value.readUInt32LE(4);
  // A TCP socket answers with pid 0 and no ids instead of an error.
  if (pid === 0 || uid === 0xffff_ffff) {
    throw new MeshError("INTERNAL", `descriptor ${fd} has no peer credentials: it is no unix socket`);
  }
  return { pid, uid, gid: value.readUInt32LE(8) };
}

/** The descriptor under a Node socket; undefined once it is closed. */
export function socketFd(socket: Socket): number | undefined {
  // Node has no public way to a socket's descriptor.
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, "fd");
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}

/** Credentials of the process that connected to this unix socket; undefined when it is gone already. */
export function socketPeer(socket: Socket): PeerCred | undefined {
  const fd = socketFd(socket);
  return fd === undefined ? undefined : peerCred(fd);
}

type Flock = (fd: number, operation: number) => number;
const LOCK_EX_NB = 2 | 4;
let flock: Flock | undefined;

/**
 * Takes an exclusive lock on an open file without waiting; false when another process holds it. The kernel releases it
 * when the descriptor is closed, a kill -9 included.
 */
export function tryLock(fd: number): boolean {
  flock ??= dlopen(null, { flock: { arguments: ["i32", "i32"], return: "i32" } }).functions.flock;
  return flock(fd, LOCK_EX_NB) === 0;
}
