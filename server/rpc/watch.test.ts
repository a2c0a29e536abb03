import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { createCatalog } from "../../core/catalog/catalog.ts";
import { type Command, encodeCommand } from "../../core/catalog/commands.ts";
import type { Topic, WatchEvent, WatchRequest } from "../../io/gen/mesh/v1/mesh.ts";
import type { Caller, WatchStream } from "../../io/grpc/server.ts";
import { createLogger } from "../../io/logger.ts";
import { WatchHub } from "./watch.ts";

const log = createLogger({ name: "test", level: "silent" });
const caller: Caller = {
  kind: "node", name: "host-1", certDerHash: "", notBeforeMs: 0, notAfterMs: 0, address: "127.0.0.1:1",
};
const topic = (key: string): Topic => ({ key, index: 0, datacenter: "" });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The server's end of a stream whose reader takes an event only when told to. */
class SlowStream extends Duplex {
  readonly sent: WatchEvent[] = [];
  #taken: (() => void) | undefined;

  constructor() {
    super({ objectMode: true, highWaterMark: 1, read: () => undefined });
  }

  override _write(event: WatchEvent, _encoding: string, done: () => void): void {
    this.sent.push(event);
    this.#taken = done;
  }

  ask(request: WatchRequest): void {
    this.push(request);
  }

  async takeAll(): Promise<void> {
    for (let done = this.#taken; done !== undefined; done = this.#taken) {
      this.#taken = undefined;
      done();
      await turn();
    }
  }
}

function catalogWith(): { apply: (command: Command) => void; hub: WatchHub } {
  const catalog = createCatalog();
  let index = 0;
  const apply = (command: Command): void => {
    const result = catalog.apply(++index, encodeCommand(command, { requestId: "", nowMs: index }));
    expect(result).toMatchObject({ ok: true });
  };
  return { apply, hub: new WatchHub(catalog, log) };
}

const root = (n: number): Command => ({ type: "ca.root.add", root: { id: `r${n}`, pem: `pem ${n}`, active: false } });
const bootstrap: Command = {
  type: "cluster.bootstrap", clusterId: "c", trustDomain: "t.mesh", root: { id: "r0", pem: "pem 0" }, sealedCaKey: "",
  sealedGossipKey: "", managementToken: { accessor: "a", secretHash: "h" },
};

test("pitfall 11: what a host does not read is not queued: changes fall together until it reads again", async () => {
  const { apply, hub } = catalogWith();
  apply(bootstrap);
  const stream = new SlowStream();
  hub.serve(stream as unknown as WatchStream, caller);
  stream.ask({ topics: [topic("roots")] });
  await turn();
  for (let n = 1; n <= 500; n++) {
    apply(root(n));
    await turn();
  }
  expect(stream.sent.length).toBeLessThanOrEqual(2);
  expect(stream.writableLength).toBeLessThanOrEqual(2);
  await stream.takeAll();
  expect(stream.sent.length).toBeLessThanOrEqual(3);
  const held = new Set<string>();
  for (const event of stream.sent) for (const { key } of event.upserts) held.add(key);
  expect(held.size).toBe(501);
  expect(stream.sent.filter((event) => event.reset).length).toBe(1);
  hub.close();
});

test("a topic that is no longer wanted is not sent, and one that is kept goes on from where it was", async () => {
  const { apply, hub } = catalogWith();
  apply(bootstrap);
  const stream = new SlowStream();
  hub.serve(stream as unknown as WatchStream, caller);
  stream.ask({ topics: [topic("roots"), topic("service/default/web")] });
  await turn();
  await stream.takeAll();
  const seen = stream.sent.map((event) => [event.topic, event.reset]);
  expect(seen).toEqual([["roots", true], ["service/default/web", true]]);
  stream.ask({ topics: [topic("service/default/web")] });
  await turn();
  apply(root(1));
  await turn();
  await stream.takeAll();
  expect(stream.sent.length).toBe(2);
  hub.close();
});

test("a stream that has ended costs nothing more", async () => {
  const { apply, hub } = catalogWith();
  apply(bootstrap);
  const stream = new SlowStream();
  hub.serve(stream as unknown as WatchStream, caller);
  stream.ask({ topics: [topic("roots")] });
  await turn();
  await stream.takeAll();
  stream.emit("cancelled");
  apply(root(1));
  await turn();
  expect(stream.sent.length).toBe(1);
  hub.close();
});

test("pitfall 11: a host holds a few streams, and another one may open when one ends", () => {
  const { hub } = catalogWith();
  const open = (name = caller.name): SlowStream => {
    const stream = new SlowStream();
    hub.serve(stream as unknown as WatchStream, { ...caller, name });
    return stream;
  };
  const streams = Array.from({ length: 8 }, () => open());
  expect(() => open()).toThrow("host-1 has 8 watch streams already");
  open("host-2");
  streams[0]!.emit("cancelled");
  expect(() => open()).not.toThrow();
});
