import { createServer } from "node:tls";
import type { ConnectionOptions, SecureContext, TlsOptions, TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { DAY_MS, HOUR_MS } from "../../core/base/time.ts";
import { build, credentials, leafParts, testCa, toPem, TRUST_DOMAIN } from "../../test/support/certificates.ts";
import type { TestCa } from "../../test/support/certificates.ts";
import { attempt, next, open, serve } from "../../test/support/tls.ts";
import {
  clientTlsOptions, contextOptions, createAnonymousContext, createContext, serverTlsOptions, sniServerTlsOptions,
} from "./context.ts";
import type { ClientTlsOptions, Credentials } from "./context.ts";

const NOW = Date.now();
const ca = testCa(NOW);
const foreignCa = testCa(NOW);
const oldCa = testCa(NOW - 100 * DAY_MS);
const SNI = `web.default.svc.${TRUST_DOMAIN}`;
const web = credentials(ca, "ns/default/sa/web", { dnsNames: ["web", SNI] });
const api = credentials(ca, "ns/default/sa/api");

const inbound = (contexts: ReadonlyMap<string, SecureContext>): TlsOptions =>
  sniServerTlsOptions({ contextFor: (name) => contexts.get(name), alpn: ["mesh/1", "http/1.1"] });
const serveWeb = (of: Credentials = web): ReturnType<typeof serve> =>
  serve(inbound(new Map([[SNI, createContext(of)]])));

function client(of: Credentials, change: Partial<ClientTlsOptions> = {}): ConnectionOptions {
  return clientTlsOptions({
    context: createContext(of), servername: SNI, trustDomain: TRUST_DOMAIN, alpn: ["mesh/1"],
    accept: (id) => id.kind === "service" && id.name === "web", ...change,
  });
}
const expired = (from: TestCa, path: string): Credentials =>
  credentials(from, path, { nowMs: NOW - 2 * HOUR_MS, ttlMs: HOUR_MS });
const trusting = (of: Credentials, ...cas: TestCa[]): Credentials => ({ ...of, rootsPem: cas.map((one) => one.pem) });

describe("pitfall 31: TLS 1.3 only", () => {
  test("the hybrid post-quantum group and ALPN are agreed on", async () => {
    await using server = await serveWeb();
    const socket = open(server.port, client(api));
    expect(await next(socket)).toBe("hello");
    expect(socket.getProtocol()).toBe("TLSv1.3");
    expect(socket.alpnProtocol).toBe("mesh/1");
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: "X25519MLKEM768" });
    socket.destroy();
  });

  test("a TLS 1.2 client is refused, by every kind of server", async () => {
    const old: ConnectionOptions = {
      ca: [ca.pem], cert: api.chainPem, key: api.keyPem, servername: SNI, minVersion: "TLSv1.2", maxVersion: "TLSv1.2",
      checkServerIdentity: () => undefined,
    };
    const kinds = [
      inbound(new Map([[SNI, createContext(web)]])), serverTlsOptions(web, { clientCertificate: "required" }),
      serverTlsOptions(web, { clientCertificate: "none" }),
    ];
    for (const options of kinds) {
      await using server = await serve(options);
      expect(await attempt(server.port, old)).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    }
  });

  test("a TLS 1.2 server is refused, with and without a certificate of our own", async () => {
    const context = contextOptions(web);
    await using server = await serve({ ...context, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" });
    expect(await attempt(server.port, client(api))).toMatch(/PROTOCOL_VERSION/);
    expect(await attempt(server.port, client(api, { context: createAnonymousContext([ca.pem]) })))
      .toMatch(/PROTOCOL_VERSION/);
  });
});

describe("pitfall 31: no resumption", () => {
  test.each(["sni", "single"])("a session that was kept opens nothing (%s server)", async (kind) => {
    const single = { ...serverTlsOptions(web, { clientCertificate: "required" }), ALPNProtocols: ["mesh/1"] };
    await using server = await serve(kind === "sni" ? inbound(new Map([[SNI, createContext(web)]])) : single);
    const sessions: Buffer[] = [];
    const first = open(server.port, client(api));
    first.on("session", (session: Buffer) => sessions.push(session));
    await next(first);
    first.write("more");
    await next(first);
    first.destroy();
    for (const session of sessions) {
      const again = open(server.port, { ...client(api), session });
      expect(await next(again)).toBe("hello");
      expect(again.isSessionReused()).toBe(false);
      again.destroy();
    }
    expect(server.sockets.length).toBe(1 + sessions.length);
    expect(server.sockets.some((socket) => socket.isSessionReused())).toBe(false);
  });

  test("a client whose CA was dropped does not come back by its session", async () => {
    const contexts = new Map([[SNI, createContext(trusting(web, ca, foreignCa))]]);
    await using server = await serve(inbound(contexts));
    const guest = trusting(credentials(foreignCa, "ns/default/sa/api"), ca);
    let session: Buffer | undefined;
    const first = open(server.port, client(guest));
    first.on("session", (kept: Buffer) => {
      session = kept;
    });
    expect(await next(first)).toBe("hello");
    contexts.set(SNI, createContext(web));
    expect(await attempt(server.port, { ...client(guest), ...(session && { session }) })).not.toBe("hello");
    first.destroy();
  });
});

describe("who may connect", () => {
  test("a client without a certificate is refused with certificate_required", async () => {
    await using server = await serveWeb();
    const bare = client(api, { context: createAnonymousContext([ca.pem]) });
    expect(await attempt(server.port, bare)).toBe("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    expect(server.sockets).toHaveLength(0);
  });

  test.each([
    ["under a foreign root", trusting(credentials(foreignCa, "ns/default/sa/api"), ca)],
    ["that has expired", trusting(expired(oldCa, "ns/default/sa/api"), ca)],
  ])("a client with a certificate %s is refused", async (_what, of) => {
    // The server trusts the old root: it is the leaf's time that counts there.
    await using server = await serveWeb(trusting(web, ca, oldCa));
    expect(await attempt(server.port, client(of))).not.toBe("hello");
    expect(server.sockets).toHaveLength(0);
    expect(server.failures).toHaveLength(1);
  });

  test.each([
    ["under a foreign root", credentials(foreignCa, "ns/default/sa/web"), /SELF_SIGNED|VERIFY_LEAF/],
    ["that has expired", expired(oldCa, "ns/default/sa/web"), /CERT_HAS_EXPIRED/],
  ])("a server with a certificate %s is refused", async (_what, of, expected) => {
    await using server = await serveWeb(trusting(of, ca, oldCa));
    expect(await attempt(server.port, client(trusting(api, ca, oldCa)))).toMatch(expected);
  });

  test("pitfall 36: a host's certificate does not pass for a server's", async () => {
    const check = { accept: (id: { kind: string }) => id.kind === "server", servername: `server.${TRUST_DOMAIN}` };
    for (const [path, expected] of [["server/s1", "hello"], ["node/s1", "the peer is node s1, not the one called"]]) {
      // Even one that carries the server's DNS name.
      const of = credentials(ca, path!, { dnsNames: [`server.${TRUST_DOMAIN}`] });
      await using server = await serve(serverTlsOptions(of, { clientCertificate: "none" }));
      expect(await attempt(server.port, client(api, check))).toBe(expected);
    }
  });

  test("pitfall 30: a chain that OpenSSL likes is refused for what is in the SPIFFE ID", async () => {
    const other = build(ca, leafParts("ns/default/sa/web"));
    const good = { rootsPem: [ca.pem], chainPem: toPem(other.der), keyPem: other.pair.privateKeyPem };
    await using server = await serveWeb(good);
    expect(await attempt(server.port, client(api))).toBe("hello");
    expect(await attempt(server.port, client(api, { trustDomain: "other.mesh" }))).toMatch(/foreign_trust_domain/);
    expect(await attempt(server.port, client(api, { accept: () => false })))
      .toBe("the peer is service default/web, not the one called");
    expect(await attempt(server.port, client(api, { rootsPem: [foreignCa.pem] }))).toMatch(/unknown_issuer/);
    expect(await attempt(server.port, client(api, { nowMs: () => NOW + 2 * HOUR_MS }))).toMatch(/expired/);
  });
});

describe("pitfall 31: ALPN is enforced", () => {
  test("nothing in common ends the handshake", async () => {
    await using server = await serveWeb();
    const refused = await attempt(server.port, client(api, { alpn: ["h3"] }));
    expect(refused).toBe("ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL");
    expect(server.sockets).toHaveLength(0);
  });

  test("the server's order decides; a client that offers nothing passes and is told apart", async () => {
    await using server = await serveWeb();
    expect(await attempt(server.port, client(api, { alpn: ["http/1.1", "mesh/1"] }))).toBe("hello");
    const { ALPNProtocols: _dropped, ...silent } = client(api);
    expect(await attempt(server.port, silent)).toBe("hello");
    expect(server.sockets.map((socket) => socket.alpnProtocol)).toEqual(["mesh/1", false]);
  });
});

describe("server names", () => {
  test.each([
    ["unknown", "nobody.default.svc.test.mesh"], ["absent", ""], ["in other letters", SNI.toUpperCase()],
  ])("%s: the handshake ends with an alert", async (_what, servername) => {
    await using server = await serveWeb();
    const refused = await attempt(server.port, client(api, { servername }));
    expect(refused).toMatch(/ALERT_HANDSHAKE_FAILURE/);
    expect(server.sockets).toHaveLength(0);
  });

  test("a selection that throws refuses the connection, and the server lives", async () => {
    let broken = true;
    const context = createContext(web);
    await using server = await serve(sniServerTlsOptions({
      contextFor: () => {
        if (broken) throw new Error("a fault of ours");
        return context;
      },
      alpn: ["mesh/1"],
    }));
    expect(await attempt(server.port, client(api))).toMatch(/ALERT_HANDSHAKE_FAILURE/);
    broken = false;
    expect(await attempt(server.port, client(api))).toBe("hello");
  });
});

describe("pitfall 34: contexts are swapped without a dropped connection", () => {
  const serialOf = (socket: TLSSocket): string | undefined => socket.getPeerX509Certificate()?.serialNumber;

  test("by name: live connections go on, new ones see the new certificate", async () => {
    const contexts = new Map([[SNI, createContext(web)]]);
    await using server = await serve(inbound(contexts));
    const live = open(server.port, client(api));
    await next(live);
    contexts.set(SNI, createContext(credentials(ca, "ns/default/sa/web")));
    const fresh = open(server.port, client(api));
    await next(fresh);
    expect(serialOf(fresh)).not.toBe(serialOf(live));
    live.write("still here");
    expect(await next(live)).toBe("still here");
    contexts.delete(SNI);
    expect(await attempt(server.port, client(api))).toMatch(/ALERT_HANDSHAKE_FAILURE/);
    live.write("and here");
    expect(await next(live)).toBe("and here");
    live.destroy();
    fresh.destroy();
  });

  test("setSecureContext: the same, and the roots change with it", async () => {
    const options = { clientCertificate: "required" } as const;
    await using server = await serve(serverTlsOptions(web, options));
    const live = open(server.port, client(api));
    await next(live);
    const renewed = credentials(ca, "ns/default/sa/web");
    server.server.setSecureContext(serverTlsOptions(trusting(renewed, foreignCa), options));
    const guest = trusting(credentials(foreignCa, "ns/default/sa/api"), ca);
    const fresh = open(server.port, client(guest));
    expect(await next(fresh)).toBe("hello");
    expect(serialOf(fresh)).not.toBe(serialOf(live));
    expect(await attempt(server.port, client(api))).not.toBe("hello");
    expect(await attempt(server.port, { ...client(guest), minVersion: "TLSv1.2" })).toBe("hello");
    live.write("still here");
    expect(await next(live)).toBe("still here");
    live.destroy();
    fresh.destroy();
  });
});

test("every server asks for a verified certificate unless it is said not to", () => {
  expect(inbound(new Map())).toMatchObject({ requestCert: true, rejectUnauthorized: true });
  const verifying = { requestCert: true, rejectUnauthorized: true };
  expect(serverTlsOptions(web, { clientCertificate: "required" })).toMatchObject(verifying);
  expect(serverTlsOptions(web, { clientCertificate: "none" })).toMatchObject({ ...verifying, requestCert: false });
  expect(client(api)).toMatchObject({ rejectUnauthorized: true });
  expect(() => createServer(inbound(new Map()))).not.toThrow();
});
