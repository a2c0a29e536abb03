/** A server and several hosts as processes of their own: what survives when each of them dies. */
import { existsSync } from "node:fs";
import { connect as tlsConnect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, freePort, http, Lab, type Ready, service, until } from "./harness.ts";

interface Host {
  readonly daemon: Daemon;
  ready: Ready;
  readonly bind: string;
  readonly dataDir: string;
}

let lab: Lab;
let server: { daemon: Daemon; ready: Ready };
const hosts: Host[] = [];
let upstream = 0;
let client = "";

const api = (host: Host): string => `${host.bind}:${host.ready.http}`;
const call = () => http(`http://${client}:${upstream}/`, { timeoutMs: 5_000 });

beforeAll(async () => {
  lab = new Lab();
  server = await lab.server();
  for (const [name, bind] of [["h1", "127.0.1.1"], ["h2", "127.0.1.2"]] as const) {
    const { daemon, ready, dataDir } = await lab.agent(name, { bind });
    hosts.push({ daemon, ready, bind, dataDir });
  }
  const [h1, h2] = hosts as [Host, Host];
  client = "127.0.0.1";
  upstream = await freePort();
  for (const [host, id] of [[h1, "api-1"], [h2, "api-2"]] as const) {
    const app = await lab.app((_, res) => res.end(id));
    const check = { http: `http://127.0.0.1:${app.port}/`, interval: "500ms", timeout: "400ms" };
    await lab.ok(["agent", "register", "-"], {
      api: api(host), stdin: service("api", { id, port: app.port, check }),
    });
  }
  await lab.ok(["agent", "register", "-", "--wait"], {
    api: api(h1), stdin: service("web", { port: await freePort(), upstreams: { api: upstream } }),
  });
  await lab.ok(["intention", "create", "web", "api"]);
}, 90_000);

afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

describe("several hosts", () => {
  test("traffic spreads over the instances of both hosts", async () => {
    const answers = new Set<string>();
    await until("both instances to answer", async () => {
      const reply = await call();
      if (reply.status === 200) answers.add(reply.body);
      return answers.size === 2;
    });
  });

  test("what goes between hosts is TLS 1.3 that asks for a certificate", async () => {
    const { bind, ready } = hosts[1]!;
    const outcome = await new Promise<string>((done) => {
      const socket = tlsConnect({ host: bind, port: ready.inbound!, servername: "api", ALPNProtocols: ["http/1.1"] });
      socket.on("error", (error: NodeJS.ErrnoException) => done(String(error.code)));
      socket.on("secureConnect", () => done("connected"));
    });
    // Our client does not trust the mesh's root, so it gives up first: proof that there is TLS with a private CA.
    expect(["SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "ECONNRESET"]).toContain(outcome);
    const plain = await http(`http://${bind}:${ready.inbound}/`).catch((error: unknown) => String(error));
    expect(typeof plain).toBe("string");
  });

  test("kill -9 of the server under traffic: no request fails, and nothing acknowledged is lost", async () => {
    const acknowledged: string[] = [];
    const writer = async (lane: number): Promise<void> => {
      for (let i = 0; i < 1_000; i++) {
        const name = `caller-${lane}-${i}`;
        const reply = await http(`http://${lab.api}/v1/connect/intentions/exact?source=${name}&destination=api`, {
          method: "PUT", headers: { "x-consul-token": lab.token }, body: JSON.stringify({ Action: "allow" }),
        }).catch(() => undefined);
        if (reply?.status !== 200) return;
        acknowledged.push(name);
      }
    };
    const writers = Promise.all(Array.from({ length: 8 }, (_, lane) => writer(lane)));
    await until("some writes to be acknowledged", () => acknowledged.length > 50);
    await server.daemon.stop("SIGKILL");
    await writers;
    for (let i = 0; i < 100; i++) expect((await call()).status).toBe(200);
    await server.daemon.start();
    const list = await until("the API", () => lab.apiGet<{ SourceName: string }[]>("/v1/connect/intentions"));
    expect(list.map((i) => i.SourceName)).toEqual(expect.arrayContaining(acknowledged));
    await until("the agents to be back", async () => {
      const { code, stdout } = await lab.cli(["services", "--format", "json"], { api: api(hosts[1]!) });
      return code === 0 && stdout.includes("api");
    });
  }, 120_000);

  test("an agent that starts while all servers are down serves from its own disk", async () => {
    await server.daemon.stop("SIGTERM");
    const host = hosts[0]!;
    await host.daemon.stop("SIGKILL");
    host.ready = await host.daemon.start();
    await until("the restarted host to serve", async () => (await call()).status === 200);
    const local = { api: `unix://${host.dataDir}/agent.sock`, token: "" };
    const services = JSON.parse(await lab.ok(["agent", "services", "--format", "json"], local)) as { id: string }[];
    expect(services.map((s) => s.id).sort()).toEqual(["api-1", "web"]);
    const forwarded = await lab.cli(["services"], local);
    expect(forwarded.code).toBe(3);
    expect(forwarded.stderr).toMatch(/fix:/);
    await server.daemon.start();
    await until("both instances in the catalog", async () =>
      (await lab.apiGet<unknown[]>("/v1/health/service/api?passing")).length === 2);
  }, 120_000);

  test("a host that dies costs its callers no failed request once it is known", async () => {
    await hosts[1]!.daemon.stop("SIGKILL");
    await until("only the living instance to answer", async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, call));
      return answers.every((reply) => reply.status === 200 && reply.body === "api-1");
    });
    for (let i = 0; i < 50; i++) expect((await call()).status).toBe(200);
    hosts[1]!.ready = await hosts[1]!.daemon.start();
    await until("both to answer again", async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, call));
      return new Set(answers.map((reply) => reply.body)).size === 2;
    });
  }, 90_000);

  test("a service outside a host's allow list is refused with the command that would permit it", async () => {
    const { ready, daemon } = await lab.agent("h3", { bind: "127.0.1.3", allow: "default/only" });
    const local = { api: `127.0.1.3:${ready.http}` };
    await lab.ok(["agent", "register", "-"], { ...local, stdin: service("only", { port: 1 }) });
    const refused = await until("the refusal to be known", async () => {
      const stdin = service("other", { port: 2 });
      const result = await lab.cli(["agent", "register", "-", "--wait"], { ...local, stdin });
      return result.code !== 0 && result;
    });
    expect(refused.stderr).toContain("mesh acl node allow h3 default/other");
    await daemon.stop();
    expect(existsSync(`${lab.folder}/h3`)).toBe(true);
  }, 60_000);

  test("a ticket works once, and a wrong one says what to do", async () => {
    const created = JSON.parse(await lab.ok(["acl", "ticket", "create", "--allow", "*", "--format", "json"])) as {
      ticket: string };
    const spoiled = `${created.ticket.slice(0, -6)}AAAAAA`;
    const result = await lab.cli(["agent", "--node", "h4", "--data-dir", `${lab.folder}/h4`, "--bind", "127.0.1.4",
      "--http-addr", "127.0.1.4:0", "--inbound-port", "0", "--ticket-file", "-"], { stdin: spoiled });
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/ticket/i);
    expect(result.stderr).toMatch(/fix:/);
    expect(result.stderr).not.toContain(spoiled);
  });
});
