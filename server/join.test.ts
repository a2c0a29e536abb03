import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseTicket, type Ticket } from "../core/model/ticket.ts";
import {
  type Answer, type JoinReply, type KeyAndCsr, makeCsr, redeem, startTestServer, type TestServer, trustDomainOf,
} from "./fixture.ts";

let mesh: TestServer;
let trustDomain: string;
let aheadMs = 0;

beforeAll(async () => {
  mesh = await startTestServer({ nowMs: () => Date.now() + aheadMs });
  trustDomain = await trustDomainOf(mesh);
});
afterAll(() => mesh.stop());

const ticketFor = async (more: object = {}): Promise<Ticket> =>
  parseTicket(await mesh.server.createTicket({ role: "agent", allow: ["default/web"], ttlMs: 60_000, ...more }));

test("a ticket yields a host's certificate, whatever the request asks for (pitfall 32)", async () => {
  const answer = await redeem(await ticketFor(), trustDomain, { node: "host-1" });
  expect(answer.status).toBe(200);
  const reply = answer.json as JoinReply;
  const certificate = new X509Certificate(reply.chain_pem);
  expect(certificate.subjectAltName).toBe(`URI:spiffe://${trustDomain}/node/host-1`);
  expect(certificate.ca).toBe(false);
  expect(reply).toMatchObject({ trust_domain: trustDomain, allow: ["default/web"], gossip_key: mesh.server.gossipKey });
  expect(reply.grpc_servers).toEqual([`127.0.0.1:${mesh.server.grpcPort}`]);
  expect(Buffer.from(reply.gossip_key, "base64").length).toBe(32);
});

test("a ticket works once; the same host with the same key may ask again", async () => {
  const ticket = await ticketFor();
  const csr = makeCsr();
  expect((await redeem(ticket, trustDomain, { node: "host-2", csr })).status).toBe(200);
  expect((await redeem(ticket, trustDomain, { node: "host-2", csr })).status).toBe(200);
  const others = [{ node: "host-3", csr }, { node: "host-2" }, { node: "host-2", csr, nodeId: "id-of-another" }];
  for (const fields of others) {
    const refused = await redeem(ticket, trustDomain, fields);
    expect(refused.status).toBe(400);
    expect(refused.text).toContain("INVALID_TICKET");
  }
});

test("expired, unknown and foreign tickets are refused, with nothing said of the secret", async () => {
  const ticket = await ticketFor();
  const wrong = await redeem(ticket, trustDomain, { node: "host-4", secret: "x".repeat(43) });
  const unknown = await redeem({ ...ticket, id: "nobody" }, trustDomain, { node: "host-4" });
  expect([wrong.status, unknown.status]).toEqual([403, 403]);
  expect(wrong.json).toEqual(unknown.json);
  aheadMs = 61_000;
  const late = await redeem(ticket, trustDomain, { node: "host-4" });
  aheadMs = 0;
  expect(late.text).toContain("expired");
  expect(mesh.lines.join("")).not.toContain(ticket.secret);
});

test("a ticket for one host joins no other; a name that is taken is a conflict", async () => {
  const ticket = await ticketFor({ node: "host-5" });
  expect((await redeem(ticket, trustDomain, { node: "host-6" })).text).toContain('is for node \\"host-5\\"');
  expect((await redeem(ticket, trustDomain, { node: "host-5" })).status).toBe(200);
  const taken = await redeem(await ticketFor(), trustDomain, { node: "host-5", nodeId: "another-host" });
  expect(taken.status).toBe(409);
});

test("the secret goes only to a server that shows the pinned root", async () => {
  const ticket = await ticketFor();
  const foreign = { ...ticket, rootSha256: "0".repeat(64) };
  await expect(redeem(foreign, trustDomain, { node: "host-7" })).rejects.toMatchObject({ code: "CERT_INVALID" });
  expect((await redeem(ticket, trustDomain, { node: "host-7" })).status).toBe(200);
});

test("a host that was off for weeks renews by proof of its key, for 90 days, unless it was revoked", async () => {
  const pair = makeCsr();
  const joined = await redeem(await ticketFor(), trustDomain, { node: "host-9", csr: pair });
  const { chain_pem } = joined.json as JoinReply;
  const renew = async (csr: KeyAndCsr, daysLater: number): Promise<Answer> => {
    aheadMs = daysLater * 86_400_000;
    const body = { chain_pem, csr: csr.csrDer.toString("base64") };
    const answer = await mesh.call("POST /v1/mesh/renew", { token: undefined, body });
    aheadMs = 0;
    return answer;
  };
  const answer = await renew(pair, 31 + 60);
  expect(answer.status).toBe(200);
  const renewed = new X509Certificate((answer.json as JoinReply).chain_pem);
  expect(renewed.subjectAltName).toBe(`URI:spiffe://${trustDomain}/node/host-9`);
  expect(renewed.validToDate.getTime() - Date.now()).toBeGreaterThan(100 * 86_400_000);
  expect((await renew(makeCsr(), 31)).text).toContain("not signed by the certificate's key");
  expect((await renew(pair, 30 + 91)).status).toBe(403);
  expect((await mesh.call("POST /v1/mesh/renew", { token: undefined, body: {} })).status).toBe(403);
  await mesh.call("POST /v1/mesh/acl/node/host-9/revoke");
  expect((await renew(pair, 31)).text).toContain("revoked");
});

test("a request without a ticket, with a broken key proof or too many of them are refused", async () => {
  expect((await mesh.call("POST /v1/mesh/join", { token: undefined, body: {} })).status).toBe(403);
  const csr = makeCsr();
  csr.csrDer[csr.csrDer.length - 1]! ^= 1;
  expect((await redeem(await ticketFor(), trustDomain, { node: "host-8", csr })).status).toBe(400);
  const many = await Promise.all(Array.from({ length: 60 }, () =>
    mesh.call("POST /v1/mesh/join", { token: undefined, body: {} })));
  expect(many.some((answer) => answer.status === 429)).toBe(true);
});
