import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { MeshError } from "../core/base/errors.ts";
import { credentials, testCa } from "../test/support/certificates.ts";
import { createApiClient } from "./client.ts";

const ca = testCa(Date.now());
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(path: string, dnsNames: string[] = []): Promise<number> {
  const { chainPem, keyPem } = credentials(ca, path, { dnsNames });
  const server = createServer({ cert: chainPem, key: keyPem }, (_, res) => res.end("[]"));
  servers.push(server);
  await new Promise<void>((done) => {
    server.listen(0, "127.0.0.1", done);
  });
  return (server.address() as AddressInfo).port;
}

const ask = async (port: number, caPem: string | undefined): Promise<unknown> => {
  const client = createApiClient({ address: { kind: "tcp", host: "localhost", port, tls: true }, caPem });
  try {
    return await client.json("GET", "/v1/mesh/nodes");
  } catch (error) {
    return error;
  } finally {
    client.close();
  }
};

describe("https with the mesh's roots", () => {
  test("a server is known by its SPIFFE ID, whatever address it is called by", async () => {
    expect(await ask(await serve("server/s1", ["server.test.mesh"]), ca.pem)).toEqual([]);
  });

  test("pitfall 36: a service or host of the same root is no server, even under the name that was called", async () => {
    for (const path of ["ns/default/sa/localhost", "node/localhost"]) {
      const error = await ask(await serve(path, ["localhost"]), ca.pem);
      expect(error).toBeInstanceOf(MeshError);
      expect((error as MeshError).message).toContain("not the one called");
    }
  });

  test("without the roots, and with those of another mesh, the fix names MESH_CACERT", async () => {
    const port = await serve("server/s1", ["localhost"]);
    for (const roots of [undefined, testCa(Date.now(), "other.mesh").pem]) {
      const error = (await ask(port, roots)) as MeshError;
      expect([error.exit, error.fix]).toEqual([3, expect.stringContaining("MESH_CACERT")]);
    }
  });
});
