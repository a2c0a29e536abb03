/* oxlint-disable no-underscore-dangle */
/**
 * Reading into one buffer that is used again for every read of every socket: a read is handled to its end before the
 * next one begins, so nothing needs its own. Node offers it (`onread`) for sockets that it connects, not for those it
 * accepts; there the same private fields are set from outside. They are found by name at the first use and tried by
 * `onReadSelfTest`; where they are missing, the ordinary 'data' event serves.
 */
import { connect, createServer, Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** Called per read: bytes are valid during the call only. */
export type ReadCallback = (bytes: Uint8Array, size: number) => void;

const READ_SIZE = 65_536;
/** A TLS record has 16 kB at most, and arrives record by record. */
const TLS_READ_SIZE = 16_384;

/** For `onread` of sockets that this process connects. */
export const plainReadBuffer: Uint8Array = new Uint8Array(READ_SIZE);
export const tlsReadBuffer: Uint8Array = new Uint8Array(TLS_READ_SIZE);

interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
}

let fields: Fields | null | undefined;

function findFields(): Fields | null {
  const all = Object.getOwnPropertySymbols(new Socket());
  const buffer = all.find((s) => s.description === "kBuffer");
  const callback = all.find((s) => s.description === "kBufferCb");
  return buffer === undefined || callback === undefined ? null : { buffer, callback };
}

interface Internals {
  _handle?: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
  [field: symbol]: unknown;
}

/** Hands every read of an accepted socket to the callback, and starts reading. */
export function adoptSocket(socket: Socket, buffer: Uint8Array, onRead: ReadCallback): void {
  if (fields === undefined) fields = findFields();
  const inner = socket as unknown as Internals;
  const use = inner._handle?.useUserBuffer;
  if (fields === null || typeof use !== "function" || socket.readableLength > 0) {
    socket.on("data", (bytes: Buffer) => onRead(bytes, bytes.length));
    return;
  }
  inner[fields.buffer] = buffer;
  inner[fields.callback] = (size: number, bytes: Uint8Array): boolean => {
    onRead(bytes, size);
    return true;
  };
  use.call(inner._handle, buffer);
  socket.resume();
}

/** For tests and for Node versions to come: makes every socket use 'data' from now on. */
export function disableOnRead(): void {
  fields = null;
}

/** Sends bytes over loopback and sees whether they arrive through the callback; turns the fast way off if not. */
export async function onReadSelfTest(): Promise<boolean> {
  const sent = Uint8Array.from({ length: 4096 }, (_, i) => i & 255);
  const buffer = new Uint8Array(READ_SIZE);
  const server = createServer();
  try {
    const good = await new Promise<boolean>((resolve) => {
      let size = 0;
      server.on("error", () => resolve(false));
      server.on("connection", (socket) => {
        socket.on("error", () => resolve(false));
        adoptSocket(socket, buffer, (bytes, count) => {
          const same = bytes.subarray(0, count).every((b, i) => b === sent[size + i]);
          size += count;
          if (!same || size === sent.length) resolve(same && bytes.buffer === buffer.buffer);
        });
        socket.on("close", () => resolve(false));
      });
      server.listen(0, "127.0.0.1", () => {
        const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
        client.on("error", () => resolve(false));
        client.end(sent);
      });
    });
    if (!good) disableOnRead();
    return good;
  } finally {
    server.close();
  }
}
