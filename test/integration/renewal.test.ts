/** Certificates that live for seconds: what a day of renewals does to traffic, in a few of them. */
import { createHash } from "node:crypto";
import { request } from "node:http";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { freePort, http, Lab, service, until } from "./harness.ts";

interface CertRow {
  readonly serial?: string;
  readonly not_after?: string;
}

test("pitfall 34: renewals swap certificates under traffic, and nothing is dropped", async () => {
  await using lab = new Lab();
  await lab.server(["--leaf-ttl", "6s"]);
  const one = await lab.agent("h1", { bind: "127.0.1.1" });
  const two = await lab.agent("h2", { bind: "127.0.1.2" });
  const api = `127.0.1.2:${two.ready.http}`;
  const SLICES = 400;
  const slice = Buffer.alloc(4_096, "m");
  const app = await lab.app((req, res) => {
    if (req.url !== "/long") {
      res.end("ok");
      return;
    }
    // About twelve seconds of body: twice the life of a certificate.
    let sent = 0;
    const timer = setInterval(() => {
      res.write(slice);
      if (++sent === SLICES) {
        clearInterval(timer);
        res.end();
      }
    }, 30);
    res.on("close", () => clearInterval(timer));
  });
  const echo = await lab.tcpApp((socket) => socket.pipe(socket));
  const [upstream, tcpUpstream] = [await freePort(), await freePort()];
  await lab.ok(["agent", "register", "-"], { api, stdin: service("api", { port: app.port, protocol: "http" }) });
  await lab.ok(["agent", "register", "-"], { api, stdin: service("echo", { port: echo.port, protocol: "tcp" }) });
  await lab.ok(["agent", "register", "-", "--wait"], {
    api: `127.0.1.1:${one.ready.http}`,
    stdin: service("web", { port: await freePort(), upstreams: { api: upstream, echo: tcpUpstream } }),
  });
  await lab.ok(["intention", "create", "web", "api"]);
  await lab.ok(["intention", "create", "web", "echo"]);
  await until("the route", async () => (await http(`http://127.0.0.1:${upstream}/`)).status === 200);
  const certificates = async (): Promise<string> => JSON.stringify(
    await lab.apiGet<CertRow[]>("/v1/mesh/proxy-config/certs", `127.0.1.1:${one.ready.http}`));
  const seen = new Set([await certificates()]);

  const download = new Promise<string>((done, fail) => {
    const hash = createHash("sha256");
    request(`http://127.0.0.1:${upstream}/long`, (res) => {
      res.on("data", (chunk: Buffer) => hash.update(chunk));
      res.on("end", () => done(hash.digest("hex")));
      res.on("error", fail);
    }).on("error", fail).end();
  });
  const state = { finished: false };
  const over = download.finally(() => { state.finished = true; });
  // Handled below, at its await; a failure meanwhile is no unhandled rejection.
  over.catch(() => undefined);
  const live = connect(tcpUpstream, "127.0.0.1");
  let echoed = 0;
  let cut = false;
  live.on("data", (chunk) => { echoed += chunk.length; });
  live.on("close", () => { cut = true; });
  live.on("error", () => undefined);
  let sent = 0;
  while (!state.finished) {
    expect((await http(`http://127.0.0.1:${upstream}/`)).status).toBe(200);
    live.write("x");
    sent++;
    if (sent % 50 === 0) seen.add(await certificates());
    await new Promise((done) => setImmediate(done));
  }
  expect(await over).toBe(createHash("sha256").update(Buffer.alloc(SLICES * slice.length, "m")).digest("hex"));
  await until("all bytes of the live connection to be back", () => echoed === sent);
  expect(cut).toBe(false);
  live.destroy();
  // Renewed at 1/2 to 2/3 of six seconds, over twelve: at least three different certificates.
  expect(seen.size).toBeGreaterThanOrEqual(3);
}, 90_000);
