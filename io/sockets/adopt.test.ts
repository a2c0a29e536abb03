import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, expect, test, vi } from "vitest";

// A copy of its own: what is turned off here stays on for the tests that share this process.
vi.resetModules();
const { adoptSocket, disableOnRead, onReadSelfTest } = await import("./adopt.ts");
afterAll(() => {
  vi.resetModules();
});

/** What an accepted socket delivers through the callback, and whether it came in the buffer that was given. */
function receive(): Promise<{ text: string; reused: boolean }> {
  return new Promise((resolve) => {
    const buffer = new Uint8Array(1024);
    const server = createServer((socket: Socket) => {
      let text = "";
      let reused = true;
      adoptSocket(socket, buffer, (bytes, size) => {
        reused &&= bytes.buffer === buffer.buffer;
        text += Buffer.from(bytes.subarray(0, size)).toString();
      });
      socket.on("end", () => {
        server.close();
        socket.end();
        resolve({ text, reused });
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
      client.write("one ");
      setImmediate(() => client.end("two"));
    });
  });
}

test("an accepted socket reads into the buffer given; where Node cannot do that, by the 'data' event", async () => {
  expect(await onReadSelfTest()).toBe(true);
  expect(await receive()).toEqual({ text: "one two", reused: true });
  disableOnRead();
  expect(await receive()).toEqual({ text: "one two", reused: false });
  expect(await onReadSelfTest()).toBe(false);
});
