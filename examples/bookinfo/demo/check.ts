/** `npm run demo -- --check`: each promise of the demo as an assertion on real traffic. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LedgerClient } from "../apps/ledger.ts";
import { get } from "../apps/web.ts";
import { caRoots } from "../../../cli/api-access.ts";
import { status } from "../../../cli/api-agent.ts";
import { getTopology, health, serviceSummaries, worstStatus } from "../../../cli/api.ts";
import { mesh as meshCommand, meshOk } from "./processes.ts";
import { Traffic, until } from "./traffic.ts";
import type { Host, Mesh } from "./up.ts";
import { deniedCall } from "./view.ts";
import { capturingRelay, mtlsRequest, plaintextRequest, selectedVersion } from "./wire.ts";

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
  /** What was seen, or what went wrong. */
  readonly detail: unknown;
}

type Check = (mesh: Mesh, traffic: Traffic) => Promise<unknown>;

const PER_SECOND = 50;

/** In this order: the ones that break things come last. */
const CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ["all services are healthy", healthy],
  ["200 through three hops, and over TCP to the ledger", threeHops],
  ["requests are spread over all instances of reviews", distribution],
  ["a call without an intention is answered 403", denied],
  ["an intention takes effect on live proxies, and its end too", intentionLive],
  ["the inbound port speaks TLS 1.3 and nothing else", wire],
  ["the TCP service works, and half-closes", tcpService],
  ["deleting an intention cuts the TCP connections that it allowed", tcpCut],
  ["killing an instance of reviews costs no request once its check fails", killInstance],
  ["kill -9 of a proxy recovers", killProxy],
  ["the topology shows who calls whom", topology],
];

export async function runChecks(mesh: Mesh, say: (text: string) => void, signal: AbortSignal): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const traffic = new Traffic(mesh.ports.get("productpage")!, PER_SECOND);
  traffic.start();
  try {
    for (const [name, check] of CHECKS) {
      signal.throwIfAborted();
      const start = performance.now();
      const result = await check(mesh, traffic).then(
        (detail) => ({ name, ok: true, detail }),
        (error: unknown) => ({ name, ok: false, detail: error instanceof Error ? error.message : String(error) }),
      );
      const ms = Math.round(performance.now() - start);
      results.push({ ...result, ms });
      say(`${result.ok ? "ok  " : "FAIL"} ${name} (${ms} ms)${result.ok ? "" : `: ${String(result.detail)}`}`);
    }
  } finally {
    await traffic.stop();
  }
  return results;
}

function demand(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

async function healthy(mesh: Mesh): Promise<unknown> {
  await until("every check passes", 15_000, async () => {
    const bad = (await serviceSummaries(mesh.client)).filter((s) => s.status !== "passing");
    return bad.length === 0 || bad.map((s) => s.name).join(", ");
  });
  const services = await serviceSummaries(mesh.client);
  demand(services.length === 5, `5 services expected, got ${services.map((s) => s.name).join(", ")}`);
  return Object.fromEntries(services.map((s) => [s.name, `${s.passing}/${s.instances}`]));
}

/** productpage, reviews, ratings: the ledger behind counted the request, so all of them took part. */
async function threeHops(mesh: Mesh): Promise<unknown> {
  const port = mesh.ports.get("productpage")!;
  let counted = 0;
  await until("an answer that went through ratings and the ledger", 15_000, async () => {
    const { status, body } = await get(port, "/api/v1/products/0");
    if (status !== 200) return `${status}: ${body.trim()}`;
    counted = (JSON.parse(body) as { reviews: { ratingsAsked?: number | null } }).reviews.ratingsAsked ?? 0;
    return counted > 0 || "no answer counted by the ledger yet";
  });
  const html = await get(port, "/productpage");
  demand(html.status === 200 && html.body.includes("William Shakespeare"), `the page answered ${html.status}`);
  return { counted };
}

async function distribution(_mesh: Mesh, traffic: Traffic): Promise<unknown> {
  traffic.take();
  await until("90 requests", 20_000, () => traffic.peek().sent >= 90);
  const { versions, failed, sent, lastFailure } = traffic.take();
  demand(failed === 0, `${failed} of ${sent} failed: ${lastFailure}`);
  for (const version of ["v1", "v2", "v3"]) {
    const share = (versions[version] ?? 0) / sent;
    // Least-request, not round robin: an instance on a busy host gets less.
    demand(share > 0.1 && share < 0.6, `${version} got ${Math.round(share * 100)} % of ${sent} requests`);
  }
  return versions;
}

async function denied(mesh: Mesh): Promise<unknown> {
  const { status, body } = await deniedCall(mesh);
  demand(status === 403, `status ${status}: ${body}`);
  const { error } = JSON.parse(body) as { error: { code: string } };
  demand(error.code === "denied", `code ${error.code}`);
  return { status, code: error.code };
}

async function intentionLive(mesh: Mesh): Promise<unknown> {
  await meshOk(["intention", "create", "productpage", "ratings"], mesh.env);
  const allowedAt = performance.now();
  await until("the call is allowed", 5_000, async () => {
    const { status } = await deniedCall(mesh);
    return status === 200 || `status ${status}`;
  });
  const allowedMs = Math.round(performance.now() - allowedAt);
  await meshOk(["intention", "delete", "productpage", "ratings"], mesh.env);
  const deniedAt = performance.now();
  await until("the call is denied again", 5_000, async () => {
    const { status } = await deniedCall(mesh);
    return status === 403 || `status ${status}`;
  });
  return { allowedMs, deniedMs: Math.round(performance.now() - deniedAt) };
}

/** Real bytes, taken by a relay in front of the inbound port; then a plain request, which must get no HTTP answer. */
async function wire(mesh: Mesh): Promise<unknown> {
  const host = mesh.hosts[1]!;
  const target = { host: host.address, port: host.inboundPort };
  const folder = join(mesh.folder, "cert");
  await meshOk(["ca", "issue", "productpage", "--out", folder], mesh.env);
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  const { TrustDomain } = await caRoots(mesh.client);
  const who = {
    cert: read("cert.pem"), key: read("key.pem"), ca: read("roots.pem"),
    servername: `reviews.default.svc.${TrustDomain}`,
  };
  const relay = await capturingRelay(target);
  try {
    const { protocol, response } = await mtlsRequest({ host: "127.0.0.1", port: relay.port }, "/reviews/0", who);
    demand(protocol === "TLSv1.3", `protocol ${protocol}`);
    demand(response.startsWith("HTTP/1.1 200"), `answered ${response.slice(0, 200)}`);
    const received = Buffer.concat(relay.received);
    const version = selectedVersion(received);
    demand(version === 0x0304, `the ServerHello on the wire selects ${version?.toString(16) ?? "nothing"}`);
    const wired = Buffer.concat([...relay.sent, received]).toString("latin1");
    for (const secret of ["HTTP/1.1", "Reviewer1", "/reviews/0"]) {
      demand(!wired.includes(secret), `"${secret}" went over the wire in plain text`);
    }
  } finally {
    relay.close();
  }
  const plain = (await plaintextRequest(target)).toString("latin1");
  demand(!plain.includes("HTTP/"), `a plain request was answered: ${plain.slice(0, 100)}`);
  return { protocol: "TLSv1.3", plaintext: "refused" };
}

async function tcpService(mesh: Mesh): Promise<unknown> {
  const port = mesh.upstreams.get("ratings>ledger")!;
  const client = new LedgerClient(port);
  try {
    const first = await client.hit("check");
    demand(await client.hit("check") === first + 1, "the ledger does not count");
  } finally {
    client.close();
  }
  // The end of our side must reach the ledger, and its late answers us.
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    let got = "";
    socket.setTimeout(5_000, () => socket.destroy(new Error("no end within 5 s")));
    socket.setEncoding("utf8").on("data", (part: string) => (got += part));
    socket.on("error", reject);
    socket.on("end", () => resolve(got));
    socket.end("HIT half\nGET half\n");
  });
  demand(text === "1\n1\n", `half-closed connection answered ${JSON.stringify(text)}`);
  return { halfClose: true };
}

async function tcpCut(mesh: Mesh): Promise<unknown> {
  const socket = connect({ host: "127.0.0.1", port: mesh.upstreams.get("ratings>ledger")! });
  socket.on("error", () => undefined);
  const closed = new Promise<number>((resolve) => socket.once("close", () => resolve(performance.now())));
  const answered = new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.write("HIT cut\n");
  await answered;
  await meshOk(["intention", "delete", "ratings", "ledger"], mesh.env);
  const deletedAt = performance.now();
  try {
    const late = delay(5_000, undefined, { ref: false });
    const closedAt = await Promise.race([closed, late]);
    demand(closedAt !== undefined, "the connection lives 5 s after the intention was deleted");
    return { cutMs: Math.max(0, Math.round(closedAt! - deletedAt)) };
  } finally {
    socket.destroy();
    await meshOk(["intention", "create", "ratings", "ledger"], mesh.env);
  }
}

async function killInstance(mesh: Mesh, traffic: Traffic): Promise<unknown> {
  traffic.take();
  await mesh.processes.kill("reviews-v2", "SIGKILL");
  await until("the check of reviews-v2 is critical", 10_000, async () => {
    const entries = await health(mesh.client, { namespace: "default", name: "reviews" });
    const v2 = entries.find((e) => e.Service.ID === "reviews-v2");
    return v2 === undefined || worstStatus(v2.Checks) === "critical";
  });
  const failedBefore = traffic.take().failed;
  // Until the news has reached the callers, requests in flight and the odd new one may still go there.
  await until("20 requests in a row without one failure", 5_000, async () => {
    traffic.take();
    await until("20 requests", 5_000, () => traffic.peek().sent >= 20);
    return traffic.peek().failed === 0 || traffic.peek().lastFailure;
  });
  traffic.take();
  await until("60 requests", 10_000, () => traffic.peek().sent >= 60);
  const { failed, sent, versions, lastFailure } = traffic.take();
  demand(failed === 0, `${failed} of ${sent} failed: ${lastFailure}`);
  demand(versions["v2"] === undefined, "the dead instance still answers");
  return { sent, failed, failedBeforeTheCheck: failedBefore, versions };
}

async function killProxy(mesh: Mesh, traffic: Traffic): Promise<unknown> {
  const { pid } = (await status(mesh.client)).proxy;
  process.kill(pid, "SIGKILL");
  const killedAt = performance.now();
  await until("another proxy runs", 10_000, async () => {
    const { proxy } = await status(mesh.client);
    return (proxy.state === "ok" && proxy.pid !== pid) || proxy.state;
  });
  await until("20 requests in a row without one failure", 15_000, async () => {
    traffic.take();
    await until("20 requests", 10_000, () => traffic.peek().sent >= 20);
    return traffic.peek().failed === 0 || traffic.peek().lastFailure;
  });
  return { recoveredMs: Math.round(performance.now() - killedAt) };
}

async function topology(mesh: Mesh): Promise<unknown> {
  const wanted = ["productpage>details", "productpage>reviews", "reviews>ratings", "ratings>ledger"];
  let edges: readonly string[] = [];
  await until("every edge is in the topology", 15_000, async () => {
    const found = await getTopology(mesh.client, {});
    edges = found.edges.map((e) => `${e.source.split("/")[1]}>${e.destination.split("/")[1]}`);
    const missing = wanted.filter((edge) => !edges.includes(edge));
    return missing.length === 0 || `missing ${missing.join(", ")}`;
  });
  return edges;
}

/** A host's own view, for the report of a check that failed. */
export async function diagnose({ node, env }: Host): Promise<unknown> {
  const ask = async (...words: string[]): Promise<unknown> => {
    const { stdout, stderr } = await meshCommand([...words, "--format", "json"], env);
    return stdout === "" ? stderr.trim() : (JSON.parse(stdout) as unknown);
  };
  return { node, status: await ask("status"), proxy: await ask("proxy-config", "all") };
}
