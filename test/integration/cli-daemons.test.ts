/** The programs that `mesh` runs: how they start, refuse to start, and stop. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { freePort, Lab, ROOT, type Ready, service, until } from "./harness.ts";

const MESH = join(ROOT, "bin/mesh");
const PORTS = ["--http-port", "0", "--grpc-port", "0", "--inbound-port", "0"];

const temporary = (lab: Lab): string[] => readdirSync(lab.folder).filter((name) => name.startsWith("mesh-dev-"));

interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly ready: Ready;
  readonly output: () => string;
}

/** `mesh dev` without a data folder, as a newcomer starts it; temporary folders come into the lab's. */
async function dev(lab: Lab, name: string, ...args: string[]): Promise<Running> {
  const readyFile = join(lab.folder, `${name}.json`);
  const env = { ...process.env, TMPDIR: lab.folder };
  const words = ["dev", ...PORTS, "--ready-file", readyFile, ...args];
  const child = spawn(MESH, words, { stdio: ["ignore", "pipe", "pipe"], env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => (output += part.toString()));
  const ready = await until("mesh dev to be ready", () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${output}`);
    return existsSync(readyFile) && (JSON.parse(readFileSync(readyFile, "utf8")) as Ready);
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return { child, ready, output: () => output, [Symbol.asyncDispose]: stop };
}

describe("mesh dev", () => {
  test("the ready file is private and complete, and the printed line leads to the API", async () => {
    await using lab = new Lab();
    await using running = await dev(lab, "ready");
    const readyFile = join(lab.folder, "ready.json");
    const { ready } = running;
    expect(statSync(readyFile).mode & 0o777).toBe(0o600);
    expect(Object.keys(ready).sort()).toEqual(
      ["dns", "gossip", "gossip_key", "grpc", "http", "inbound", "pid", "token"]);
    expect(ready).toMatchObject({ dns: null, gossip: null, pid: running.child.pid });
    expect(Buffer.from((ready as unknown as { gossip_key: string }).gossip_key, "base64").length).toBe(32);
    const printed = /export (MESH_\S+) (MESH_\S+)/;
    const line = await until("the export line", () => printed.exec(running.output()) ?? undefined);
    // Where nobody looks, the token itself is not printed: a file of mode 0600 is named.
    expect(running.output()).not.toContain(ready.token);
    const tokenFile = line[2]!.replace("MESH_TOKEN_FILE=", "");
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
    lab.api = line[1]!.replace("MESH_HTTP_ADDR=", "");
    expect((await lab.cli(["status", "--token-file", tokenFile], { token: "" })).code).toBe(0);
    expect(temporary(lab).length).toBe(1);
    running.child.kill("SIGINT");
    const [code] = (await once(running.child, "exit")) as [number];
    expect(code).toBe(0);
    expect(temporary(lab)).toEqual([]);
    expect(existsSync(readyFile)).toBe(false);
  });

  test("two run side by side, each a mesh of its own", async () => {
    await using lab = new Lab();
    await using one = await dev(lab, "1");
    await using two = await dev(lab, "2", "--no-ui", "--dns-port", "0", "--gossip-port", "0");
    const ports = [one.ready, two.ready].flatMap((r) => [r.http, r.grpc, r.inbound]);
    expect(new Set(ports).size).toBe(6);
    lab.api = `127.0.0.1:${one.ready.http}`;
    lab.token = one.ready.token;
    await lab.ok(["agent", "register", "-"], { stdin: service("only-in-one", { port: 1 }) });
    expect((await lab.cli(["services"], { token: two.ready.token })).code).toBe(4);
    const second = { api: `127.0.0.1:${two.ready.http}`, token: two.ready.token };
    const other = await lab.cli(["agent", "services", "--format", "json"], second);
    expect([other.code, JSON.parse(other.stdout)]).toEqual([0, []]);
  });

  test("a data folder keeps services and tokens, whatever ports the next start gets", async () => {
    await using lab = new Lab();
    const { daemon, ready } = await lab.dev();
    await lab.ok(["agent", "register", "-", "--wait"], { stdin: service("web", { port: await freePort() }) });
    expect(await daemon.stop()).toBe(0);
    const again = await daemon.start();
    expect(again.token).toBe(ready.token);
    lab.api = `127.0.0.1:${again.http}`;
    expect(JSON.parse(await lab.ok(["agent", "services", "--format", "json"]))).toMatchObject([{ id: "web" }]);
  });

  test("a port that is taken: exit code 1, which one, the fix, and nothing is left behind", async () => {
    await using lab = new Lab();
    const busy = createServer();
    await new Promise<void>((done) => {
      busy.listen(0, "127.0.0.1", done);
    });
    const { port } = busy.address() as AddressInfo;
    const env = { ...process.env, TMPDIR: lab.folder };
    for (const flag of ["--http-port", "--grpc-port", "--inbound-port"]) {
      const others = PORTS.filter((word, i) => word !== flag && PORTS[i - 1] !== flag);
      const child = spawn(MESH, ["dev", ...others, flag, String(port)], { env });
      const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number]>]);
      expect([flag, code, stderr]).toEqual([flag, 1, expect.stringContaining(`${port} is already in use`)]);
      expect(stderr).toContain("fix: stop the other process, or choose another port (0 picks a free one)");
    }
    expect(temporary(lab)).toEqual([]);
    busy.close();
  });
});

describe("server and agent", () => {
  test("mistakes in configuration files come all at once, before anything starts", async () => {
    await using lab = new Lab();
    writeFileSync(join(lab.folder, "10.yaml"), "http_prot: 8500\n");
    writeFileSync(join(lab.folder, "20.json"), '{"grpc_port": "x"}');
    const { code, stderr } = await lab.cli(["server", "--bootstrap", "--config", lab.folder]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${lab.folder}/10.yaml:1:1: config.http_prot is not a known field`);
    expect(stderr).toContain(`${lab.folder}/20.json:1:15: config.grpc_port must be a number`);
    expect(stderr).toContain('did you mean "http_port"?');
  });

  test("an agent without a ticket, and with a broken one, says what to do", async () => {
    await using lab = new Lab();
    const base = ["agent", "--data-dir", join(lab.folder, "a"), "--bind", "127.0.0.1", ...PORTS.slice(0, 2)];
    const none = await lab.cli(base);
    expect([none.code, none.stderr]).toEqual([expect.any(Number), expect.stringContaining("mesh acl ticket create")]);
    expect(none.code).not.toBe(0);
    const file = join(lab.folder, "ticket");
    writeFileSync(file, "mesh1.nonsense");
    expect((await lab.cli([...base, "--ticket-file", file])).code).toBe(2);
  });

  test("a server that has no cluster and may not make one says so, and an old ready file is gone", async () => {
    await using lab = new Lab();
    const stale = join(lab.folder, "ready.json");
    writeFileSync(stale, JSON.stringify({ http: 1, pid: 1, token: "of an earlier run that was killed" }));
    const { code, stderr } = await lab.cli(["server", "--data-dir", join(lab.folder, "s"), ...PORTS.slice(0, 4),
      "--https-port", "0", "--ready-file", stale]);
    expect([code, stderr]).toEqual([expect.any(Number), expect.stringContaining("--bootstrap")]);
    expect(existsSync(stale)).toBe(false);
  });
});

describe("ordinary commands", () => {
  test("no agent: exit code 3, what was tried, and how to start one", async () => {
    await using lab = new Lab();
    const port = await freePort();
    const { code, stdout, stderr } = await lab.cli(["services"], { api: `127.0.0.1:${port}` });
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toContain(`nothing listens at http://127.0.0.1:${port}`);
    expect(stderr).toContain("mesh dev");
    const asJson = await lab.cli(["services", "--format", "json"], { api: `127.0.0.1:${port}` });
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: "UNREACHABLE" } });
  });

  test("Ctrl-C while waiting: exit code 130, and a timeout: 5", async () => {
    const sockets = new Set<{ destroy(): unknown }>();
    const silent = createServer((socket) => sockets.add(socket));
    await new Promise<void>((done) => {
      silent.listen(0, "127.0.0.1", done);
    });
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const child = spawn(MESH, ["services"], { env: { ...process.env, MESH_HTTP_ADDR: address }, stdio: "ignore" });
    await until("the command to connect", () => sockets.size > 0);
    child.kill("SIGINT");
    expect((await once(child, "exit"))[0]).toBe(130);
    await using lab = new Lab();
    expect((await lab.cli(["nodes", "--timeout", "200ms"], { api: address })).code).toBe(5);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});
