import { readFileSync, readdirSync } from "node:fs";
import { connect, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { parseServiceDefinitions } from "../../../core/model/service-parse.ts";
import { details } from "./details.ts";
import { LedgerClient, ledger } from "./ledger.ts";
import { productpage } from "./productpage.ts";
import { ratings } from "./ratings.ts";
import { reviews } from "./reviews.ts";
import { get } from "./web.ts";

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

async function listen(server: Server): Promise<number> {
  open.push(server);
  await new Promise<void>((done) => {
    server.listen(0, "127.0.0.1", done);
  });
  return (server.address() as AddressInfo).port;
}

function client(port: number): LedgerClient {
  const made = new LedgerClient(port);
  open.push(made);
  return made;
}

describe("the applications", () => {
  test("a page through three services and the TCP ledger", async () => {
    const ratingsPort = await listen(ratings(client(await listen(ledger()))));
    const reviewsPort = await listen(reviews({ version: "v3", ratingsPort }));
    const port = await listen(productpage({ detailsPort: await listen(details()), reviewsPort }));
    const product = JSON.parse((await get(port, "/api/v1/products/0")).body) as Record<string, Record<string, unknown>>;
    expect(product["details"]).toMatchObject({ author: "William Shakespeare" });
    expect(product["reviews"]).toMatchObject({ version: "v3", ratingsAsked: 1 });
    const html = await get(port, "/productpage");
    expect(html.body).toContain('<span class="red">★★★★★</span>');
    expect((await get(port, "/health")).status).toBe(200);
    expect((await get(port, "/nothing")).status).toBe(404);
  });

  test("v1 asks no ratings; the others fail when ratings does, and the page says why", async () => {
    const v1 = await listen(reviews({ version: "v1", ratingsPort: 1 }));
    expect((await get(v1, "/reviews/7")).body).not.toContain("stars");
    const v2 = await listen(reviews({ version: "v2", ratingsPort: 1 }));
    expect((await get(v2, "/reviews/7")).status).toBe(500);
    const port = await listen(productpage({ detailsPort: await listen(details()), reviewsPort: v2 }));
    expect((await get(port, "/api/v1/products/0")).status).toBe(502);
    expect((await get(port, "/")).body).toContain("not available (500)");
  });

  test("ratings answers without its ledger", async () => {
    const port = await listen(ratings(client(1)));
    expect(JSON.parse((await get(port, "/ratings/0")).body)).toMatchObject({ asked: null });
  });
});

describe("the ledger", () => {
  test("counts, answers in order, and half-closes", async () => {
    const port = await listen(ledger());
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end("HIT a\nHIT a\nGET a\nGET b\nDROP\nHIT a/b\n");
    expect(await text(socket)).toBe("1\n2\n2\n0\nERR\nERR\n");
  });

  test("its client connects again after the connection broke", async () => {
    const server = ledger();
    const sockets: { destroy(): unknown }[] = [];
    server.on("connection", (socket) => sockets.push(socket));
    const counter = client(await listen(server));
    expect(await counter.hit("a")).toBe(1);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => counter.hit("a").catch(() => 0)).toBeGreaterThan(1);
  });
});

describe("the service definitions", () => {
  const folder = join(import.meta.dirname, "../services");
  test.each(readdirSync(folder))("%s is a valid definition", (file) => {
    const { services, warnings } = parseServiceDefinitions(readFileSync(join(folder, file), "utf8"), { file });
    expect([services.length, warnings]).toEqual([1, []]);
  });
});
