/** What really goes over the wire: a relay that keeps the bytes, and a TLS 1.3 handshake read from them. */
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { connect as tlsConnect } from "node:tls";

export interface Relay {
  readonly port: number;
  /** Bytes from the client, and from the server behind. */
  readonly sent: Buffer[];
  readonly received: Buffer[];
  close(): void;
}

/** Accepts on loopback and passes everything on, keeping a copy. */
export async function capturingRelay(target: { host: string; port: number }): Promise<Relay> {
  const sent: Buffer[] = [];
  const received: Buffer[] = [];
  const server: Server = createServer((client) => {
    const upstream = connect(target);
    client.on("data", (part: Buffer) => sent.push(part));
    upstream.on("data", (part: Buffer) => received.push(part));
    client.pipe(upstream);
    upstream.pipe(client);
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return { port: (server.address() as AddressInfo).port, sent, received, close: () => server.close() };
}

const HANDSHAKE = 22;
const SERVER_HELLO = 2;
const SUPPORTED_VERSIONS = 43;

/** The version that a ServerHello selects (RFC 8446 4.1.3, 4.2.1): 0x0304 is TLS 1.3; undefined: no ServerHello. */
export function selectedVersion(bytes: Buffer): number | undefined {
  if (bytes.length < 44 || bytes[0] !== HANDSHAKE || bytes[5] !== SERVER_HELLO) return undefined;
  // Record header 5, handshake header 4, legacy version 2, random 32, then the session id.
  let at = 43 + 1 + bytes[43]!;
  at += 3; // cipher suite and compression
  if (at + 2 > bytes.length) return undefined;
  const end = Math.min(bytes.length, at + 2 + bytes.readUInt16BE(at));
  at += 2;
  while (at + 4 <= end) {
    const type = bytes.readUInt16BE(at);
    const size = bytes.readUInt16BE(at + 2);
    if (type === SUPPORTED_VERSIONS && size === 2) return bytes.readUInt16BE(at + 4);
    at += 4 + size;
  }
  return bytes.readUInt16BE(9);
}

export interface Answered {
  readonly protocol: string | null;
  readonly response: string;
}

export interface ClientIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly servername: string;
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** One HTTP/1.1 request over mTLS with the identity of a service, as `curl --cert` would make it. */
export function mtlsRequest(target: Target, path: string, who: ClientIdentity): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ ...target, ...who, ALPNProtocols: ["http/1.1"], minVersion: "TLSv1.2" });
    let response = "";
    let protocol: string | null = null;
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer within 10 s")));
    socket.once("secureConnect", () => {
      protocol = socket.getProtocol();
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${who.servername}\r\nConnection: close\r\n\r\n`);
    });
    socket.setEncoding("utf8").on("data", (text: string) => (response += text));
    socket.once("error", reject);
    socket.once("end", () => resolve({ protocol, response }));
  });
}

/** What a plain HTTP request gets: the bytes until the connection ends. */
export function plaintextRequest(target: { host: string; port: number }): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connect(target, () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    const parts: Buffer[] = [];
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on("data", (part: Buffer) => parts.push(part));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(Buffer.concat(parts)));
  });
}
