/**
 * `mesh dev`: server and agent in this process, the proxy in its own. The same parts and settings as in production, on
 * loopback: the agent joins by a ticket, speaks to the server over mTLS and answers the HTTP API.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { DaemonConfig } from "../../core/model/config.ts";
import { MeshError } from "../../core/base/errors.ts";
import { createApiClient } from "../../io/client.ts";
import { ensureDir, writeFileAtomic } from "../../io/files.ts";
import { createLogger } from "../../io/logger.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { claimReadyFile } from "../daemon/ready.ts";
import { configFromFlags, defaultNodeName } from "../daemon/settings.ts";
import { startUnlessStopped, stopBySignal } from "../daemon/signals.ts";

const LOOPBACK = "127.0.0.1";
const TICKET_TTL_MS = 600_000;
const LEADER_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

interface Started {
  readonly http: number;
  readonly grpc: number;
  readonly inbound: number;
  readonly token: string;
  readonly gossipKey: string;
  close(): Promise<void>;
}

export async function run(context: Context, args: Args): Promise<number> {
  const stop = stopBySignal(context.say);
  const config = configFromFlags(args);
  claimReadyFile(config.readyFile);
  const folder = dataFolder(config.dataDir);
  try {
    const mesh = await startUnlessStopped(stop, () => start(config, folder.path, context));
    try {
      await leaderKnown(mesh, stop.signal);
      if (config.readyFile !== undefined) writeReady(config.readyFile, mesh);
      context.say(banner(context, mesh, folder.path));
      await stop.stopped;
    } finally {
      await mesh.close();
    }
  } finally {
    folder.remove();
  }
  return 0;
}

/** A temporary folder goes at the end, also when a second signal cuts the end short. */
function dataFolder(given: string | undefined): { path: string; remove(): void } {
  if (given !== undefined) {
    ensureDir(given);
    return { path: given, remove: () => undefined };
  }
  const path = mkdtempSync(join(tmpdir(), "mesh-dev-"));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  process.once("exit", remove);
  return { path, remove };
}

async function start(config: DaemonConfig, folder: string, context: Context): Promise<Started> {
  const [{ startServer }, { startAgent }] = await Promise.all([
    import("../../server/main.ts"), import("../../agent/main.ts"),
  ]);
  const node = defaultNodeName();
  const level = config.logLevel ?? (context.io.stderr.isTTY === true ? "warn" : "info");
  const log = createLogger({ name: "dev", level, pretty: true });
  const server = await startServer({
    node, dataDir: join(folder, "server"), bind: LOOPBACK, advertise: LOOPBACK, http: undefined,
    httpsPort: 0, grpcPort: config.grpcPort ?? 8300, bootstrap: true, log: log.child({ part: "server" }),
  });
  try {
    const ticket = await server.createTicket({ role: "agent", node, allow: ["*"], ttlMs: TICKET_TTL_MS });
    const agent = await startAgent({
      node, dataDir: join(folder, "agent"), bind: LOOPBACK, advertise: LOOPBACK,
      http: { host: LOOPBACK, port: config.httpPort ?? 8500 }, socketPath: join(folder, "agent.sock"),
      inboundPort: config.inboundPort ?? 15_008, ticket, log: log.child({ part: "agent" }),
    });
    return {
      http: agent.httpPort, grpc: server.grpcPort, inbound: agent.inboundPort, gossipKey: server.gossipKey,
      token: tokenOf(server.managementToken, folder),
      close: async () => {
        await agent.close();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

function tokenOf(token: string | undefined, folder: string): string {
  if (token !== undefined) return token;
  throw new MeshError("INVALID_CONFIG", `the data folder ${folder} has lost its management token`, {
    fix: `put it back into ${join(folder, "server/bootstrap-token")}, or start without --data-dir`,
  });
}

/** The ready file promises a leader: asked through the agent, the whole way a command takes. */
async function leaderKnown(mesh: Started, signal: AbortSignal): Promise<void> {
  const address = { kind: "tcp", host: LOOPBACK, port: mesh.http, tls: false } as const;
  const client = createApiClient({ address, token: mesh.token, signal });
  const deadline = performance.now() + LEADER_TIMEOUT_MS;
  try {
    for (;;) {
      const leader = await client.json("GET", "/v1/status/leader").catch((error: unknown) => {
        if (signal.aborted || performance.now() > deadline) throw error;
        return "";
      });
      if (typeof leader === "string" && leader !== "") return;
      if (performance.now() > deadline) throw new MeshError("NO_LEADER", "no leader within 10 seconds");
      await delay(POLL_MS, undefined, { signal });
    }
  } finally {
    client.close();
  }
}

function writeReady(file: string, mesh: Started): void {
  const ready = {
    http: mesh.http, dns: null, grpc: mesh.grpc, gossip: null, inbound: mesh.inbound,
    token: mesh.token, gossip_key: mesh.gossipKey, pid: process.pid,
  };
  writeFileAtomic(file, `${JSON.stringify(ready)}\n`);
}

/** A token is shown on a terminal only; where the output goes to a file, a file of mode 0600 is named instead. */
function banner(context: Context, mesh: Started, folder: string): string {
  const { bold, cyan, dim } = context.errStyle;
  const tokenFile = join(folder, "token");
  writeFileAtomic(tokenFile, `${mesh.token}\n`);
  const secret = context.io.stderr.isTTY === true ? `MESH_TOKEN=${mesh.token}` : `MESH_TOKEN_FILE=${tokenFile}`;
  const exports = `MESH_HTTP_ADDR=http://${LOOPBACK}:${mesh.http} ${secret}${pathExport(context.env)}`;
  const tries = [
    ["mesh status", "this host"],
    ["mesh agent register web.json", "put a service into the mesh"],
    ["mesh intention create web api", "let one service call another"],
    ["mesh topology", "who calls whom"],
  ] as const;
  return [
    bold("The mesh runs."),
    `  HTTP API  http://${LOOPBACK}:${mesh.http}`,
    `  inbound   ${LOOPBACK}:${mesh.inbound} ${dim("(mTLS)")}`,
    `  data      ${folder}`,
    "",
    "In another terminal:",
    "",
    `  ${cyan(`export ${exports}`)}`,
    "",
    ...tries.map(([command, does]) => `  ${cyan(command.padEnd(32))} ${dim(does)}`),
    "",
    "Ctrl-C stops it.",
  ].join("\n");
}

/** From a clone `mesh` is not a command yet: the line that is printed makes it one. */
function pathExport(env: Context["env"]): string {
  const known = (env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, "mesh")));
  const bin = resolve(import.meta.dirname, "../../bin");
  return known || !existsSync(join(bin, "mesh")) ? "" : ` PATH=${bin}:$PATH`;
}
