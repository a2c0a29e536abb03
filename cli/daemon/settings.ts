/** What a daemon runs with: files, then environment, then flags (a later one wins), then defaults. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { MeshError } from "../../core/base/errors.ts";
import {
  type ConfigFile, type DaemonConfig, LOG_LEVELS, mergeConfig, parseConfigFiles,
} from "../../core/model/config.ts";
import type { Args } from "../args.ts";
import type { Env } from "../terminal.ts";

const CONFIG_FOLDER = "/etc/mesh.d";
const CONFIG_NAME = /\.(ya?ml|json)$/;

/** All configuration files of the paths: a file as it is, a folder's `*.yaml`, `*.yml` and `*.json` in name order. */
function readConfigFiles(paths: readonly string[]): ConfigFile[] {
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [{ file: path, text: readFileSync(path, "utf8") }];
    const names = readdirSync(path, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && CONFIG_NAME.test(entry.name)).map((entry) => entry.name);
    return names.sort().map((name) => ({ file: join(path, name), text: readFileSync(join(path, name), "utf8") }));
  });
}

/** Where each key of the configuration comes from on the command line and in the environment. */
const TEXTS = {
  node: "node", dataDir: "data-dir", bind: "bind", advertise: "advertise", httpAddr: "http-addr",
  ticketFile: "ticket-file", readyFile: "ready-file", socket: "socket", servicesDir: "services-dir",
  trustDomain: "trust-domain",
} as const satisfies Partial<Record<keyof DaemonConfig, string>>;

const NUMBERS = {
  httpPort: "http-port", httpsPort: "https-port", grpcPort: "grpc-port", gossipPort: "gossip-port",
  dnsPort: "dns-port", inboundPort: "inbound-port",
} as const satisfies Partial<Record<keyof DaemonConfig, string>>;

/** MESH_HTTP_ADDR and the tokens belong to the client side: an agent must not listen where a command connects. */
const NOT_FROM_ENV: ReadonlySet<string> = new Set(["http-addr"]);

/** `MESH_DATA_DIR` and so on; MESH_NODE is where bin/mesh looks for a Node. */
const envName = (flag: string): string =>
  flag === "node" ? "MESH_NODE_NAME" : `MESH_${flag.toUpperCase().replaceAll("-", "_")}`;

function configFromEnv(env: Env): DaemonConfig {
  const read = (flag: string): string | undefined => {
    const value = NOT_FROM_ENV.has(flag) ? undefined : env[envName(flag)];
    return value === "" ? undefined : value;
  };
  const port = (flag: string): number | undefined => {
    const value = read(flag);
    if (value === undefined) return undefined;
    if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value);
    throw new MeshError("INVALID_CONFIG", `${envName(flag)} must be a port from 0 to 65535, got "${value}"`, {
      fix: `${envName(flag)}=0`,
    });
  };
  const level = LOG_LEVELS.find((l) => l === read("log-level"));
  const retryJoin = read("retry-join")?.split(",").map((server) => server.trim());
  const config: Record<string, unknown> = { logLevel: level, retryJoin };
  for (const [key, flag] of Object.entries(TEXTS)) config[key] = read(flag);
  for (const [key, flag] of Object.entries(NUMBERS)) config[key] = port(flag);
  return mergeConfig({}, config);
}

export function configFromFlags(args: Args): DaemonConfig {
  const config: Record<string, unknown> = {
    bootstrap: args.flag("bootstrap"),
    enableScriptChecks: args.flag("enable-script-checks"),
    leafTtlMs: args.durationMs("leaf-ttl"),
    logLevel: args.text("log-level"),
    retryJoin: args.list("retry-join").length > 0 ? args.list("retry-join") : undefined,
  };
  for (const [key, flag] of Object.entries(TEXTS)) config[key] = args.text(flag);
  for (const [key, flag] of Object.entries(NUMBERS)) {
    const value = args.number(flag);
    if (value !== undefined && value > 65_535) {
      throw new MeshError("USAGE", `--${flag} must be from 0 to 65535, got ${value}`, { fix: `--${flag} 0` });
    }
    config[key] = value;
  }
  return mergeConfig({}, config);
}

export function loadConfig(args: Args, env: Env): DaemonConfig {
  const fromEnv = (env["MESH_CONFIG"] ?? "").split(",").filter((path) => path !== "");
  const given = args.list("config").length > 0 ? args.list("config") : fromEnv;
  const paths = given.length > 0 ? given : existing(CONFIG_FOLDER);
  const files = parseConfigFiles(readConfigFiles(paths));
  return mergeConfig(mergeConfig(files, configFromEnv(env)), configFromFlags(args));
}

function existing(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? [folder] : [];
}

/** A host's name as a label: what stands before the first dot, lower case, other characters as hyphens. */
export function defaultNodeName(host = hostname()): string {
  const label = host.split(".")[0]!.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-").slice(0, 63);
  const trimmed = label.replaceAll(/^-+|-+$/g, "");
  return trimmed === "" ? "host" : trimmed;
}

/** Splits `host:port`, `:port`, `[v6]:port`; what is missing comes from the defaults. */
export function parseListen(text: string, defaults: { host: string; port: number }): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text.trim());
  const port = match?.[3] === undefined ? defaults.port : Number(match[3]);
  if (match === null || port > 65_535) {
    throw new MeshError("USAGE", `"${text}" is not HOST:PORT`, { where: "--http-addr", fix: "write 127.0.0.1:8500" });
  }
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" ? defaults.host : host, port };
}

/** The HTTP API's address: `--http-port` beats the port in `--http-addr`; undefined for `off`. */
export function httpListen(config: DaemonConfig): { host: string; port: number } | undefined {
  if (config.httpAddr === "off") return undefined;
  const defaults = { host: "127.0.0.1", port: 8500 };
  const listen = config.httpAddr === undefined ? defaults : parseListen(config.httpAddr, defaults);
  return { host: listen.host, port: config.httpPort ?? listen.port };
}
