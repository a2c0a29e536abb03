import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { peerCred, socketFd, socketPeer } from "./ffi.ts";

function pair(listenOn: string | number): Promise<{ server: Socket; close: () => void }> {
  return new Promise((resolve, reject) => {
    let client: Socket;
    const listener = createServer((server) => {
      const close = (): void => {
        client.destroy();
        server.destroy();
        listener.close();
      };
      resolve({ server, close });
    });
    listener.on("error", reject);
    const ready = (): void => {
      const address = listener.address() as AddressInfo | string;
      client = typeof address === "string" ? connect(address) : connect(address.port, "127.0.0.1");
      client.on("error", reject);
    };
    if (typeof listenOn === "string") listener.listen(listenOn, ready);
    else listener.listen(listenOn, "127.0.0.1", ready);
  });
}

test("the peer of a unix socket is this very process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ffi-"));
  const { server, close } = await pair(join(folder, "s"));
  expect(socketPeer(server)).toEqual({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() });
  close();
  expect(socketPeer(server)).toBeUndefined();
  rmSync(folder, { recursive: true });
});

test("a TCP socket has no peer credentials: a clear failure, not uid -1", async () => {
  const { server, close } = await pair(0);
  expect(() => peerCred(socketFd(server)!)).toThrow(/no unix socket|cannot be read/);
  close();
});

test("a descriptor that is no socket fails clearly", () => {
  expect(() => peerCred(100_000)).toThrow(/SO_PEERCRED of descriptor 100000/);
});
