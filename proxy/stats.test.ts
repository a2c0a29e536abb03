import { expect, test } from "vitest";
import { Stats } from "./stats.ts";

test("the bytes of a TCP connection count while it runs, and once when it has ended", () => {
  const stats = new Stats(0);
  const row = stats.row("source", "default/web", "default/db");
  const relay = { sentBytes: 5, receivedBytes: 7 };
  row.tcpConnections++;
  row.relays.add(relay);
  const tcp = { reporter: "source", source: "default/web", destination: "default/db", connections: 1 };
  expect(stats.read(0).tcp).toEqual([{ ...tcp, sentBytes: 5, receivedBytes: 7 }]);
  relay.sentBytes = 50;
  expect(stats.read(0).tcp).toEqual([{ ...tcp, sentBytes: 50, receivedBytes: 7 }]);
  row.relays.delete(relay);
  row.tcpSentBytes += relay.sentBytes;
  row.tcpReceivedBytes += relay.receivedBytes;
  expect(stats.read(0).tcp).toEqual([{ ...tcp, sentBytes: 50, receivedBytes: 7 }]);
  stats.close();
});
