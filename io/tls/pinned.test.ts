import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { describe, expect, test } from "vitest";
import { credentials, testCa, TRUST_DOMAIN } from "../../test/support/certificates.ts";
import { attempt, serve } from "../../test/support/tls.ts";
import { clientTlsOptions, createAnonymousContext, serverTlsOptions } from "./context.ts";
import { fetchPinnedRoot } from "./pinned.ts";

const NOW = Date.now();
const ca = testCa(NOW);
const impostor = testCa(NOW);
const server = credentials(ca, "server/s1");
const https = (of = server): ReturnType<typeof serve> => serve(serverTlsOptions(of, { clientCertificate: "none" }));
const ask = (port: number, change: { rootSha256?: string; signal?: AbortSignal } = {}): Promise<string> =>
  fetchPinnedRoot({ host: "127.0.0.1", port, rootSha256: ca.id, signal: AbortSignal.timeout(5_000), ...change });

async function plain(onConnection: Parameters<typeof createServer>[1]): Promise<Server> {
  const listener = createServer({}, onConnection);
  await new Promise<void>((resolve) => {
    listener.listen(0, "127.0.0.1", resolve);
  });
  return listener;
}
const portOf = (listener: Server): number => (listener.address() as AddressInfo).port;

describe("a ticket's root", () => {
  test("is found in the handshake, and nothing was said before", async () => {
    await using at = await https();
    expect(await ask(at.port)).toBe(ca.pem);
    expect(at.received).toEqual([]);
  });

  test("then opens a verified connection, the only one on which anything is sent", async () => {
    await using at = await https();
    const context = createAnonymousContext([await ask(at.port)]);
    const options = { servername: `server.${TRUST_DOMAIN}`, trustDomain: TRUST_DOMAIN };
    expect(await attempt(at.port, clientTlsOptions({ context, ...options, accept: (id) => id.kind === "server" })))
      .toBe("hello");
  });

  test("another cluster's server shows another one: refused, and nothing was said", async () => {
    await using at = await https(credentials(impostor, "server/s1"));
    const fix = expect.stringContaining("ticket") as string;
    await expect(ask(at.port)).rejects.toMatchObject({ code: "CERT_INVALID", fix });
    expect(at.received).toEqual([]);
  });

  test("somebody who shows the true root without its key is refused by the connection that follows", async () => {
    const forged = credentials(impostor, "server/s1");
    await using at = await https({ ...forged, rootsPem: [impostor.pem, ca.pem] });
    const pem = await ask(at.port).catch(() => ca.pem);
    const context = createAnonymousContext([pem]);
    const options = { servername: `server.${TRUST_DOMAIN}`, trustDomain: TRUST_DOMAIN };
    const refused = await attempt(at.port, clientTlsOptions({ context, ...options, accept: () => true }));
    expect(refused).not.toBe("hello");
    expect(at.received).toEqual([]);
  });

  test("a server that keeps its root to itself cannot be joined", async () => {
    await using at = await serve(serverTlsOptions(server, { clientCertificate: "none", sendRoots: false }));
    await expect(ask(at.port)).rejects.toMatchObject({ code: "CERT_INVALID" });
  });
});

describe("nobody there", () => {
  test("a port that is closed, and one that speaks no TLS", async () => {
    const listener = await plain((socket) => {
      socket.on("error", () => undefined).resume();
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    const port = portOf(listener);
    await expect(ask(port)).rejects.toMatchObject({ code: "UNREACHABLE" });
    await new Promise((resolve) => {
      listener.close(resolve);
    });
    const message = expect.stringContaining("ECONNREFUSED") as string;
    await expect(ask(port)).rejects.toMatchObject({ code: "UNREACHABLE", message });
  });

  test("a port that says nothing: the signal ends the wait", async () => {
    const listener = await plain((socket) => socket.on("error", () => undefined));
    const stop = new AbortController();
    const asked = ask(portOf(listener), { signal: stop.signal });
    listener.once("connection", () => stop.abort());
    await expect(asked).rejects.toMatchObject({ code: "TIMEOUT" });
    await expect(ask(portOf(listener), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "TIMEOUT" });
    listener.close();
  });
});
