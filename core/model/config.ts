/**
 * Configuration of the daemons: files of /etc/mesh.d in name order, the environment, then flags; a later one wins per
 * key. Server and agent read the same files and each takes the keys that concern it. Every mistake of every file is
 * reported at once.
 */
import { MeshError } from "../base/errors.ts";
import { Fields, Report } from "./fields.ts";
import { parseSource } from "./source.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What may be configured; a key that nobody set is absent. */
export interface DaemonConfig {
  readonly node?: string;
  readonly dataDir?: string;
  readonly bind?: string;
  readonly advertise?: string;
  /** `HOST:PORT`, or `off` for a server that serves no plain HTTP. */
  readonly httpAddr?: string;
  readonly httpPort?: number;
  readonly httpsPort?: number;
  readonly grpcPort?: number;
  readonly gossipPort?: number;
  readonly dnsPort?: number;
  readonly inboundPort?: number;
  /** `host:port` of the servers' HTTPS API; goes before the ones that the ticket names. */
  readonly retryJoin?: readonly string[];
  readonly ticketFile?: string;
  readonly readyFile?: string;
  readonly socket?: string;
  readonly servicesDir?: string;
  readonly enableScriptChecks?: boolean;
  readonly bootstrap?: boolean;
  readonly trustDomain?: string;
  readonly leafTtlMs?: number;
  readonly logLevel?: LogLevel;
}

export interface ConfigFile {
  /** As errors name it. */
  readonly file: string;
  readonly text: string;
}

const PORT = { min: 0, max: 65_535 };
const LEAF_TTL = { min: 1_000, max: 7 * 86_400_000 };

/** Throws INVALID_CONFIG that names every mistake of every file. */
export function parseConfigFiles(files: readonly ConfigFile[]): DaemonConfig {
  const failed: MeshError[] = [];
  let merged: DaemonConfig = {};
  for (const file of files) {
    try {
      merged = mergeConfig(merged, parseConfig(file));
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      failed.push(error);
    }
  }
  if (failed.length === 0) return merged;
  const fixes = new Set(failed.map((e) => e.fix));
  throw new MeshError("INVALID_CONFIG", failed.map((e) => e.message).join("\n"), { fix: [...fixes].join("\n") });
}

/** Keys of the second win; one that is undefined there does not. */
export function mergeConfig(base: DaemonConfig, over: DaemonConfig): DaemonConfig {
  return { ...base, ...Object.fromEntries(Object.entries(over).filter(([, value]) => value !== undefined)) };
}

function parseConfig({ file, text }: ConfigFile): DaemonConfig {
  const source = parseSource(text);
  const report = new Report(file, source.json);
  for (const { place, message } of source.problems) report.add(place, message);
  let merged: DaemonConfig = {};
  for (const document of source.documents) {
    if (document.kind === "map") merged = mergeConfig(merged, parseDocument(new Fields(report, document, "config")));
    else report.add(document.place, "a configuration file holds one object", report.line("node", "host-1"));
  }
  report.stop("INVALID_CONFIG");
  return merged;
}

function parseDocument(fields: Fields): DaemonConfig {
  const read = {
    node: fields.string("node"),
    dataDir: fields.string("data_dir"),
    bind: fields.string("bind"),
    advertise: fields.string("advertise"),
    httpAddr: fields.string("http_addr"),
    httpPort: fields.integer("http_port", PORT),
    httpsPort: fields.integer("https_port", PORT),
    grpcPort: fields.integer("grpc_port", PORT),
    gossipPort: fields.integer("gossip_port", PORT),
    dnsPort: fields.integer("dns_port", PORT),
    inboundPort: fields.integer("inbound_port", PORT),
    retryJoin: fields.strings("retry_join"),
    ticketFile: fields.string("ticket_file"),
    readyFile: fields.string("ready_file"),
    socket: fields.string("socket"),
    servicesDir: fields.string("services_dir"),
    enableScriptChecks: fields.boolean("enable_script_checks"),
    bootstrap: fields.boolean("bootstrap"),
    trustDomain: fields.string("trust_domain"),
    leafTtlMs: fields.duration("leaf_ttl", LEAF_TTL),
    logLevel: fields.oneOf("log_level", LOG_LEVELS),
  };
  fields.done();
  return mergeConfig({}, read);
}
