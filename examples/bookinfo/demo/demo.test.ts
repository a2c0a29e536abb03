import { createServer, type AddressInfo } from "node:net";
import { createServer as createTlsServer, type SecureVersion } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { credentials, testCa } from "../../../test/support/certificates.ts";
import { holdPorts, readDefinition, upstreamsOf, withPorts } from "./definitions.ts";
import { HOSTS } from "./layout.ts";
import { capturingRelay, mtlsRequest, plaintextRequest, selectedVersion } from "./wire.ts";

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

describe("what goes over the wire", () => {
  const ca = testCa(Date.now());

  async function tlsTarget(maxVersion: SecureVersion): Promise<number> {
    const { chainPem, keyPem } = credentials(ca, "ns/default/sa/reviews", { dnsNames: ["reviews"] });
    const server = createTlsServer({ cert: chainPem, key: keyPem, maxVersion }, (socket) => {
      socket.on("error", () => undefined);
      socket.end("HTTP/1.1 200 OK\r\n\r\n");
    });
    open.push(server);
    await new Promise<void>((done) => {
      server.listen(0, "127.0.0.1", done);
    });
    return (server.address() as AddressInfo).port;
  }

  const versions = [["TLSv1.3", 0x0304], ["TLSv1.2", 0x0303]] as const;
  test.each(versions)("%s is read from the bytes", async (version, number) => {
    const relay = await capturingRelay({ host: "127.0.0.1", port: await tlsTarget(version) });
    open.push(relay);
    const { chainPem: cert, keyPem: key } = credentials(ca, "ns/default/sa/productpage");
    const who = { cert, key, ca: ca.pem, servername: "reviews" };
    const { protocol, response } = await mtlsRequest({ host: "127.0.0.1", port: relay.port }, "/", who);
    expect([protocol, response.slice(0, 12)]).toEqual([version, "HTTP/1.1 200"]);
    expect(selectedVersion(Buffer.concat(relay.received))).toBe(number);
  });

  test("other bytes are no ServerHello, and a plain answer is seen as one", async () => {
    expect(selectedVersion(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(3)))).toBeUndefined();
    const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    open.push(server);
    await new Promise<void>((done) => {
      server.listen(0, "127.0.0.1", done);
    });
    const answer = await plaintextRequest({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
    expect(answer.toString()).toContain("HTTP/1.1 400");
  });
});

describe("the run's definitions", () => {
  test("carry the run's ports in port, checks and upstreams", () => {
    const given = withPorts(readDefinition("productpage"), 7001, new Map([["details", 7002], ["ratings", 7003]]));
    expect(given.service.port).toBe(7001);
    expect(given.service.checks[0]?.http).toBe("http://127.0.0.1:7001/health");
    const ports = upstreamsOf(given).map((u) => [u.destination_name, u.local_bind_port]);
    expect(ports).toEqual([["details", 7002], ["reviews", 9092], ["ratings", 7003]]);
    expect(withPorts(readDefinition("ledger"), 7004, new Map()).service.checks[0]?.tcp).toBe("127.0.0.1:7004");
  });

  test("every placed service has a definition, and its upstreams are services", () => {
    const placed = HOSTS.flatMap((host) => host.services.map((service) => readDefinition(service.file)));
    const names = new Set(placed.map((definition) => definition.service.name));
    for (const upstream of placed.flatMap(upstreamsOf)) expect(names).toContain(upstream.destination_name);
  });

  test("held ports are free for the one that they were held for, and for nobody before", async () => {
    const held = await holdPorts(3);
    expect(new Set(held.ports).size).toBe(3);
    const listens = (port: number): Promise<boolean> => new Promise((done) => {
      const server = createServer();
      server.once("error", () => done(false));
      server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
    });
    expect(await listens(held.ports[0]!)).toBe(false);
    await held.release();
    expect(await listens(held.ports[0]!)).toBe(true);
  });
});
