import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { HOUR_MS } from "../../core/base/time.ts";
import { oid, octets, encodeDer, implicit, sequence } from "../../core/x509/der.ts";
import { OID } from "../../core/x509/oids.ts";
import { decodePem } from "../../core/x509/pem.ts";
import {
  build, caParts, credentials, leafParts, testCa, toPem, TRUST_DOMAIN,
} from "../../test/support/certificates.ts";
import type { Issuer } from "../../test/support/certificates.ts";
import { next, open, serve } from "../../test/support/tls.ts";
import { clientTlsOptions, createAnonymousContext, createContext, serverTlsOptions } from "./context.ts";
import type { Credentials } from "./context.ts";
import { checkPeer, peerIdentity } from "./identity.ts";
import type { PeerCheck, PeerIdentity } from "./identity.ts";

const NOW = Date.now();
const ca = testCa(NOW);
const SERVER = credentials(ca, "server/s1");
const check: PeerCheck = { trustDomain: TRUST_DOMAIN };

const asCredentials = (issuer: Issuer, ...chain: Issuer[]): Credentials => ({
  rootsPem: [ca.pem],
  chainPem: [issuer, ...chain].map((one) => toPem(one.der)).join(""),
  keyPem: issuer.pair.privateKeyPem,
});

/** What each end finds out about the other. */
async function meet(
  of: Credentials | undefined, look: (socket: TLSSocket) => PeerIdentity,
): Promise<{ client: PeerIdentity; server: PeerIdentity }> {
  await using server = await serve(serverTlsOptions(SERVER, { clientCertificate: of ? "required" : "none" }));
  const socket = open(server.port, clientTlsOptions({
    context: of ? createContext(of) : createAnonymousContext([ca.pem]), servername: "server.test.mesh",
    trustDomain: TRUST_DOMAIN, accept: () => true,
  }));
  await next(socket);
  const found = { client: look(server.sockets[0]!), server: look(socket) };
  socket.destroy();
  return found;
}

describe("pitfall 30: both ends read the other's SPIFFE ID after the handshake", () => {
  test("identity, hash and end of the certificate", async () => {
    const of = credentials(ca, "node/host-1");
    const { client, server } = await meet(of, (socket) => peerIdentity(socket, check));
    const certDerHash = createHash("sha256").update(decodePem(of.chainPem)[0]!).digest("hex");
    expect(client).toEqual({
      ok: true, id: { trustDomain: TRUST_DOMAIN, kind: "node", name: "host-1" }, certDerHash,
      notAfterMs: Math.floor((NOW + 24 * HOUR_MS) / 1000) * 1000,
    });
    expect(server).toMatchObject({ ok: true, id: { kind: "server", name: "s1" } });
  });

  test("a certificate of our own CA that is no SVID is refused although TLS took it", async () => {
    const names = [`spiffe://${TRUST_DOMAIN}/node/a`, `spiffe://${TRUST_DOMAIN}/server/b`];
    const two = sequence(oid(OID.subjectAltName), octets(encodeDer(sequence(
      ...names.map((name) => implicit(6, Buffer.from(name)))))));
    const of = asCredentials(build(ca, { ...leafParts(), names: two }));
    const { client } = await meet(of, (socket) => peerIdentity(socket, check));
    expect(client).toEqual({ ok: false, reason: "several_uri_sans" });
  });

  test("another trust domain is refused", async () => {
    const elsewhere = { trustDomain: "b.mesh" };
    const { client } = await meet(credentials(ca, "node/a"), (socket) => peerIdentity(socket, elsewhere));
    expect(client).toEqual({ ok: false, reason: "foreign_trust_domain" });
  });

  test("a peer without a certificate is nobody", async () => {
    const { client } = await meet(undefined, (socket) => peerIdentity(socket, check));
    expect(client).toEqual({ ok: false, reason: "not_verified" });
  });
});

describe("the path by our own code", () => {
  const middle = build(ca, caParts("middle"));
  const of = asCredentials(build(middle, leafParts()), middle);

  test("an intermediate that the peer sent leads to the root", async () => {
    const { client, server } = await meet(of, (socket) => peerIdentity(socket, { ...check, rootsPem: [ca.pem] }));
    expect(client).toMatchObject({ ok: true, id: { kind: "service", name: "web" } });
    expect(server).toMatchObject({ ok: true });
  });

  test("a root that is not ours does not", async () => {
    const stranger = testCa(NOW);
    const { client } = await meet(of, (socket) => peerIdentity(socket, { ...check, rootsPem: [stranger.pem] }));
    expect(client).toEqual({ ok: false, reason: "unknown_issuer" });
  });
});

describe("pitfall 37: what is kept never outlives the certificate", () => {
  const raw = (path: string): { raw: Buffer } => ({ raw: Buffer.from(build(ca, leafParts(path)).der) });

  test("time is looked at on every call, forward and back", () => {
    const certificate = raw("node/a");
    const at = (nowMs: number): boolean => checkPeer(certificate, { ...check, nowMs }).ok;
    expect(at(NOW)).toBe(true);
    expect(at(NOW + 59_000)).toBe(true);
    expect(at(NOW + 2 * HOUR_MS)).toBe(false);
    expect(at(NOW - 2 * HOUR_MS)).toBe(false);
    expect(at(NOW)).toBe(true);
  });

  test("the end counts although the answer of a second ago is kept", () => {
    const certificate = raw("node/d");
    const endMs = Math.floor((NOW + HOUR_MS) / 1000) * 1000;
    const at = (nowMs: number): PeerIdentity => checkPeer(certificate, { ...check, nowMs });
    expect(at(endMs)).toMatchObject({ ok: true, notAfterMs: endMs });
    expect(at(endMs + 1)).toEqual({ ok: false, reason: "expired" });
  });

  test("roots and trust domain are part of the question", () => {
    const certificate = raw("node/b");
    const roots = { ...check, rootsPem: [ca.pem] };
    expect(checkPeer(certificate, roots).ok).toBe(true);
    expect(checkPeer(certificate, { ...roots, rootsPem: [testCa(NOW).pem] }).ok).toBe(false);
    expect(checkPeer(certificate, { ...roots, trustDomain: "b.mesh" }).ok).toBe(false);
    expect(checkPeer(certificate, roots).ok).toBe(true);
  });

  test("it is cheap the second time", () => {
    const certificate = raw("node/c");
    const roots = { ...check, rootsPem: [ca.pem] };
    const first = checkPeer(certificate, roots);
    const startedAt = process.cpuUsage();
    for (let i = 0; i < 500; i++) expect(checkPeer(certificate, roots)).toStrictEqual(first);
    const { user, system } = process.cpuUsage(startedAt);
    // A verification takes 500 µs; 100 leave room for the assertion and a busy machine.
    expect((user + system) / 500).toBeLessThan(100);
  });
});
