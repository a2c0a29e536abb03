// A child that speaks the control protocol and does nothing else: it binds the inbound port and acknowledges.
// MODE (its first argument): ok | nack | crash | slow.
import { connect, createServer } from "node:net";

const mode = process.argv[2];
if (mode === "crash") process.exit(3);
const path = process.argv[process.argv.indexOf("--socket") + 1];
const socket = connect(path);
const send = (message) => {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length, 0);
  // In two pieces: the other side must not rely on one write being one read.
  socket.write(head);
  socket.write(body);
};
let inbound;
let held = Buffer.alloc(0);
let snapshot;

function take(message) {
  if (message.type === "snapshot") {
    snapshot = message.snapshot;
    if (mode === "nack" && snapshot.version > 1) return send({ type: "nack", version: snapshot.version, error: "no" });
    if (inbound !== undefined) return setTimeout(acknowledge, mode === "slow" ? 50 : 0, snapshot.version, "");
    inbound = createServer();
    inbound.on("error", (error) => acknowledge(snapshot.version, error.message));
    inbound.listen(snapshot.inbound.port, "127.0.0.1", () => acknowledge(snapshot.version, ""));
  }
  if (message.type === "stats") {
    send({ type: "stats", seq: message.seq, stats: { startedAtMs: process.pid, requests: [
      { reporter: "destination", source: "default/ui", destination: "default/web", method: "GET", code: 200, count: 7 },
    ], durations: [], active: [{ service: "default/web", count: 2 }], tcp: [], denied: [],
      process: { anonymousBytes: 1, cpuSeconds: 0, loopDelayP99Ms: 0, tunnels: 0 } } });
  }
  if (message.type === "dump") send({ type: "dump", seq: message.seq, dump: dump() });
  if (message.type === "shutdown") process.exit(0);
}

function acknowledge(version, error) {
  const address = error === "" ? `127.0.0.1:${inbound.address().port}` : "";
  send({ type: "ack", version, listeners: [{ key: "inbound", address, error }] });
}

socket.on("connect", () => send({ type: "hello", pid: process.pid, protocol: 1 }));
socket.on("data", (chunk) => {
  held = Buffer.concat([held, chunk]);
  while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
    const size = held.readUInt32BE(0);
    take(JSON.parse(held.subarray(4, 4 + size).toString()));
    held = held.subarray(4 + size);
  }
});
socket.on("close", () => process.exit(0));

function dump() {
  return { listeners: snapshot.outbounds, clusters: [{ name: "a", connectTimeoutMs: 5 }] };
}
