/** TLS servers and clients on loopback for tests: each attempt ends in what the client got, or in why it failed. */
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import type { ConnectionOptions, Server, TlsOptions, TLSSocket } from "node:tls";

const HOST = "127.0.0.1";
const DEADLINE_MS = 5_000;

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly server: Server;
  /** Accepted connections, oldest first. */
  readonly sockets: readonly TLSSocket[];
  /** Messages of handshakes that failed here. */
  readonly failures: readonly string[];
  /** Bytes that clients have sent. */
  readonly received: readonly string[];
}

/** Greets every accepted client with `hello`, then echoes. */
export async function serve(options: TlsOptions): Promise<TestServer> {
  const sockets: TLSSocket[] = [];
  const failures: string[] = [];
  const received: string[] = [];
  const server = createServer(options, (socket) => {
    sockets.push(socket);
    socket.on("error", (error) => failures.push(error.message));
    socket.on("data", (data) => {
      received.push(data.toString());
      socket.write(data);
    });
    socket.write("hello");
  });
  server.on("tlsClientError", (error) => failures.push(error.message));
  await new Promise<void>((resolve) => {
    server.listen(0, HOST, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port, server, sockets, failures, received,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    }),
  };
}

/** The next bytes from the peer; rejects with its alert, a refusal or after 5 s. */
export function next(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error("nothing came")), DEADLINE_MS);
    const end = (run: () => void): void => {
      clearTimeout(timer);
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.off("error", onError);
      run();
    };
    const onData = (data: Buffer): void => end(() => resolve(data.toString()));
    const onError = (error: Error & { code?: string }): void => end(() => reject(error));
    const onClose = (): void => end(() => reject(new Error("closed")));
    socket.on("data", onData);
    socket.on("error", onError);
    socket.on("close", onClose);
  });
}

export const open = (port: number, options: ConnectionOptions): TLSSocket => connect({ host: HOST, port, ...options });

/** `hello`, or the code or message of what ended the attempt. TLS 1.3 servers refuse only after the client is done. */
export async function attempt(port: number, options: ConnectionOptions): Promise<string> {
  const socket = open(port, options);
  socket.on("error", () => undefined);
  try {
    return await next(socket);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return code ?? message;
  } finally {
    socket.destroy();
  }
}
