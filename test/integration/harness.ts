/**
 * Real processes for the integration tests: servers, agents and small applications on loopback, every port chosen by
 * the system, every process ended and every folder removed when the `await using` scope closes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
const MESH = join(ROOT, "bin/mesh");

export interface Ready {
  readonly http: number;
  readonly https?: number;
  readonly grpc: number;
  readonly inbound: number | null;
  readonly token: string;
  readonly pid: number;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Waits until `probe` gives a value other than undefined or false; fails with what it last saw. */
export async function until<T>(
  what: string, probe: () => Promise<T | undefined | false> | T | undefined | false, timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown = "nothing";
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}: ${String(last)}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** One HTTP exchange on a fresh connection, unless an agent is given. */
export function http(url: string, options: {
  method?: string; headers?: Record<string, string>; body?: string | Buffer; timeoutMs?: number;
} = {}): Promise<Reply> {
  return new Promise((done, fail) => {
    const { method = "GET", headers = {}, body, timeoutMs = 10_000 } = options;
    const req = request(url, { method, headers, agent: false, timeout: timeoutMs }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", fail);
      res.on("end", () => {
        done({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString() });
      });
    });
    req.on("timeout", () => req.destroy(new Error(`no answer from ${url} within ${timeoutMs} ms`)));
    req.on("error", fail);
    req.end(body);
  });
}

/** A process of the mesh, with its log kept for the failure message. */
export class Daemon implements AsyncDisposable {
  readonly name: string;
  log = "";
  private child: ChildProcess | undefined;
  /** A restart may want the ports that the first start found. */
  args: readonly string[];
  private readonly readyFile: string;

  constructor(name: string, args: readonly string[], readyFile: string) {
    this.name = name;
    this.args = args;
    this.readyFile = readyFile;
  }

  /** Starts (again) and waits for the ready file. */
  async start(timeoutMs = 30_000): Promise<Ready> {
    rmSync(this.readyFile, { force: true });
    const child = spawn(MESH, [...this.args, "--ready-file", this.readyFile], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (chunk: Buffer) => { this.log += chunk.toString(); });
    child.stderr.on("data", (chunk: Buffer) => { this.log += chunk.toString(); });
    this.child = child;
    return until(`${this.name} to be ready`, () => {
      if (child.exitCode !== null) throw new Error(`${this.name} ended with ${child.exitCode}:\n${this.log}`);
      return existsSync(this.readyFile) && (JSON.parse(readFileSync(this.readyFile, "utf8")) as Ready);
    }, timeoutMs).catch((error: unknown) => { throw new Error(`${String(error)}\n${this.log}`); });
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((done) => child.once("exit", done));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
    const code = await ended;
    clearTimeout(timer);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export class Lab implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "mesh-test-"));
  private readonly parts: AsyncDisposable[] = [];
  /** Set by server(): what the CLI and the API helper use. */
  token = "";
  api = "";

  private daemon(name: string, args: readonly string[]): Daemon {
    const daemon = new Daemon(name, args, join(this.folder, `${name}.ready`));
    this.parts.push(daemon);
    return daemon;
  }

  async server(more: readonly string[] = []): Promise<{ daemon: Daemon; ready: Ready }> {
    const name = "s1";
    const args = (ready: { http: number; https?: number; grpc: number }): string[] => [
      "server", "--bootstrap", "--node", name, "--data-dir", join(this.folder, name), "--bind", "127.0.0.1",
      "--http-port", `${ready.http}`, "--https-port", `${ready.https ?? 0}`, "--grpc-port", `${ready.grpc}`,
      ...more,
    ];
    const daemon = this.daemon(name, args({ http: 0, https: 0, grpc: 0 }));
    const ready = await daemon.start();
    daemon.args = args(ready);
    this.token = ready.token;
    this.api = `127.0.0.1:${ready.http}`;
    return { daemon, ready };
  }

  async agent(name: string, options: { bind?: string; allow?: string; args?: string[] } = {}):
    Promise<{ daemon: Daemon; ready: Ready; dataDir: string }> {
    const ticket = await this.cli(["acl", "ticket", "create", "--allow", options.allow ?? "*", "--format", "json"]);
    if (ticket.code !== 0) throw new Error(ticket.stderr);
    const ticketFile = join(this.folder, `${name}.ticket`);
    writeFileSync(ticketFile, (JSON.parse(ticket.stdout) as { ticket: string }).ticket, { mode: 0o600 });
    const bind = options.bind ?? "127.0.0.1";
    const dataDir = join(this.folder, name);
    const daemon = this.daemon(name, [
      "agent", "--node", name, "--data-dir", dataDir, "--bind", bind, "--http-addr", `${bind}:0`,
      "--inbound-port", "0", "--ticket-file", ticketFile, ...(options.args ?? []),
    ]);
    return { daemon, ready: await daemon.start(), dataDir };
  }

  async dev(args: readonly string[] = []): Promise<{ daemon: Daemon; ready: Ready }> {
    const daemon = this.daemon("dev", [
      "dev", "--data-dir", join(this.folder, "dev"), "--http-port", "0", "--dns-port", "0", "--grpc-port", "0",
      "--gossip-port", "0", "--inbound-port", "0", "--no-ui", ...args,
    ]);
    const ready = await daemon.start();
    this.token = ready.token;
    this.api = `127.0.0.1:${ready.http}`;
    return { daemon, ready };
  }

  /** Runs the command line against `api` (the server, unless told) with the management token. */
  cli(args: readonly string[], options: { api?: string; stdin?: string; token?: string } = {}): Promise<CommandResult> {
    return new Promise((done, fail) => {
      const child = spawn(MESH, args, {
        env: {
          ...process.env, NO_COLOR: "1",
          MESH_HTTP_ADDR: options.api ?? this.api, MESH_TOKEN: options.token ?? this.token,
        },
      });
      let stdout = "";
      let stderr = "";
      child.stdout.on("data", (chunk: Buffer) => { stdout += chunk.toString(); });
      child.stderr.on("data", (chunk: Buffer) => { stderr += chunk.toString(); });
      child.on("error", fail);
      child.on("close", (code) => done({ code: code ?? -1, stdout, stderr }));
      child.stdin.end(options.stdin ?? "");
    });
  }

  /** Like cli(), and fails when the command does. */
  async ok(
    args: readonly string[], options: { api?: string; stdin?: string; token?: string } = {},
  ): Promise<string> {
    const result = await this.cli(args, options);
    if (result.code !== 0) throw new Error(`mesh ${args.join(" ")}: exit ${result.code}\n${result.stderr}`);
    return result.stdout;
  }

  async apiGet<T>(path: string, api = this.api): Promise<T> {
    const reply = await http(`http://${api}${path}`, { headers: { "x-consul-token": this.token } });
    if (reply.status !== 200) throw new Error(`${path}: ${reply.status} ${reply.body}`);
    return JSON.parse(reply.body) as T;
  }

  /** A small HTTP application on loopback. */
  async app(handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<{ server: Server; port: number }> {
    const server = createServer(handler);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    this.parts.push({ [Symbol.asyncDispose]: () => closeServer(server) });
    return { server, port: (server.address() as AddressInfo).port };
  }

  async tcpApp(handler: (socket: Socket) => void): Promise<{ server: TcpServer; port: number }> {
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => socket.destroy());
      handler(socket);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    this.parts.push({ [Symbol.asyncDispose]: () => closeServer(server) });
    return { server, port: (server.address() as AddressInfo).port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.parts.reverse()) await part[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function closeServer(server: Server | TcpServer): Promise<void> {
  if ("closeAllConnections" in server) server.closeAllConnections();
  server.unref();
  return new Promise((done) => { server.close(() => done()); if (!("closeAllConnections" in server)) done(); });
}

/** A port that was free a moment ago, for a listener that the mesh binds. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((done) => server.listen(0, host, done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

export interface ServiceOptions {
  readonly port: number;
  readonly id?: string;
  readonly protocol?: string;
  readonly check?: object;
  readonly upstreams?: Readonly<Record<string, number>>;
}

/** A Consul service definition. */
export function service(name: string, options: ServiceOptions): string {
  const upstreams = Object.entries(options.upstreams ?? {}).map(([destination, port]) =>
    ({ destination_name: destination, local_bind_port: port }));
  return JSON.stringify({
    service: {
      name, id: options.id ?? name, port: options.port,
      ...(options.protocol === undefined ? {} : { protocol: options.protocol }),
      ...(options.check === undefined ? {} : { checks: [options.check] }),
      ...(upstreams.length === 0 ? {} : { connect: { sidecar_service: { proxy: { upstreams } } } }),
    },
  });
}
