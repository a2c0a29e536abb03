import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { MeshError } from "../core/base/errors.ts";
import { formatApiAddress, parseApiAddress } from "./client-address.ts";
import { createApiClient } from "./client.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(handler: RequestListener, path?: string): Promise<number> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, "127.0.0.1", resolve);
    else server.listen(path, resolve);
  });
  return path === undefined ? (server.address() as AddressInfo).port : 0;
}

const caught = async (promise: Promise<unknown>): Promise<MeshError> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof MeshError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("addresses", () => {
  test.each([
    ["127.0.0.1:8500", "http://127.0.0.1:8500"],
    ["localhost", "http://localhost:8500"],
    ["http://10.0.0.1:80", "http://10.0.0.1:80"],
    ["https://mesh.example", "https://mesh.example:8501"],
    ["https://mesh.example:443/", "https://mesh.example:443"],
    ["[::1]:8500", "http://[::1]:8500"],
    ["unix:/run/mesh/agent.sock", "unix:/run/mesh/agent.sock"],
    ["unix:///run/mesh/agent.sock", "unix:/run/mesh/agent.sock"],
    ["/tmp/a.sock", "unix:/tmp/a.sock"],
  ])("%s is %s", (text, want) => expect(formatApiAddress(parseApiAddress(text))).toBe(want));

  test.each(["", "ftp://x", "http://u:p@x", "a b", "http://x/?token=1", "x:99999"])("%s is refused", (text) => {
    expect(() => parseApiAddress(text)).toThrow(MeshError);
  });
});

describe("the client", () => {
  test("sends token, query and JSON, and reads JSON", async () => {
    const port = await listen((req, res) => {
      const parts: Buffer[] = [];
      req.on("data", (part: Buffer) => parts.push(part));
      req.on("end", () => res.end(JSON.stringify({
        url: req.url, token: req.headers["x-consul-token"], body: Buffer.concat(parts).toString(),
      })));
    });
    const client = createApiClient({ address: { kind: "tcp", host: "127.0.0.1", port, tls: false }, token: "t" });
    const got = await client.json("PUT", "/v1/x", { query: { a: "1 2", b: undefined }, body: { é: 1 } });
    expect(got).toEqual({ url: "/v1/x?a=1+2", token: "t", body: '{"é":1}' });
    client.close();
  });

  test("speaks over a unix socket", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mesh-client-"));
    await listen((_, res) => res.end("[1]"), join(folder, "s"));
    const client = createApiClient({ address: { kind: "unix", path: join(folder, "s") } });
    expect(await client.json("GET", "/")).toEqual([1]);
    client.close();
    rmSync(folder, { recursive: true });
  });

  test("keeps the code, place and fix of an error that the API answers", async () => {
    const port = await listen((req, res) => {
      if (req.url === "/json") {
        res.statusCode = 403;
        res.end(JSON.stringify({ error: { code: "NOT_ALLOWED", message: "no", fix: "do", where: "a.json:1:2" } }));
      } else {
        res.statusCode = Number(req.url?.slice(1));
        res.end("Permission denied\nfix: take another token");
      }
    });
    const client = createApiClient({ address: parseApiAddress(`127.0.0.1:${port}`) });
    const json = await caught(client.json("GET", "/json"));
    expect([json.code, json.message, json.fix, json.where, json.exit]).toEqual(
      ["NOT_ALLOWED", "no", "do", "a.json:1:2", 4]);
    const text = await caught(client.json("GET", "/403"));
    expect([text.code, text.message, text.fix]).toEqual(["DENIED", "Permission denied", "take another token"]);
    expect((await caught(client.json("GET", "/418"))).code).toBe("INTERNAL");
    client.close();
  });

  test("an address where nothing listens: exit 3, what was tried and the fix", async () => {
    const port = await listen((_, res) => res.end());
    servers.splice(0).forEach((s) => s.close());
    const refused = await caught(createApiClient({ address: parseApiAddress(`127.0.0.1:${port}`) }).json("GET", "/"));
    expect(refused.exit).toBe(3);
    expect(refused.message).toContain(`http://127.0.0.1:${port}`);
    expect(refused.fix).toContain("mesh dev");
    const missing = await caught(createApiClient({ address: parseApiAddress("/nonexistent/s") }).json("GET", "/"));
    expect([missing.exit, missing.where]).toEqual([3, "unix:/nonexistent/s"]);
  });

  test("a silent server is a timeout, an aborted call rethrows its reason", async () => {
    const port = await listen(() => undefined);
    const address = parseApiAddress(`127.0.0.1:${port}`);
    const late = await caught(createApiClient({ address, timeoutMs: 30 }).json("GET", "/slow"));
    expect([late.code, late.exit]).toEqual(["TIMEOUT", 5]);
    const stop = new AbortController();
    const waiting = createApiClient({ address, signal: stop.signal }).json("GET", "/slow");
    stop.abort(new Error("interrupted"));
    await expect(waiting).rejects.toThrow("interrupted");
  });

  test("an answer that is not JSON says so", async () => {
    const port = await listen((_, res) => res.end("<html>"));
    const error = await caught(createApiClient({ address: parseApiAddress(`127.0.0.1:${port}`) }).json("GET", "/"));
    expect(error.message).toContain("not JSON");
  });
});
