/** Defaults that depend on this host, and what all daemons do alike. */
import { networkInterfaces } from "node:os";
import type { DaemonConfig } from "../../core/model/config.ts";
import { type Logger, type LogLevel, createLogger } from "../../io/logger.ts";
import type { Context } from "../context.ts";
import { defaultNodeName } from "./settings.ts";

const DATA_DIR_DEFAULT = "/var/lib/mesh";

/** The address that other hosts would use: the first that is not loopback or link-local, IPv4 before IPv6. */
function primaryAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    .filter((i) => !i.internal && !/^(169\.254\.|fe80:)/i.test(i.address));
  const found = all.find((i) => i.family === "IPv4") ?? all[0];
  return found?.address ?? "127.0.0.1";
}

export interface Place {
  readonly node: string;
  readonly dataDir: string;
  readonly bind: string;
  readonly advertise: string;
}

export function placeOf(config: DaemonConfig): Place {
  const bind = config.bind ?? "0.0.0.0";
  const every = bind === "0.0.0.0" || bind === "::";
  return {
    node: config.node ?? defaultNodeName(),
    dataDir: config.dataDir ?? DATA_DIR_DEFAULT,
    bind,
    advertise: config.advertise ?? (every ? primaryAddress() : bind),
  };
}

export function daemonLogger(context: Context, name: string, level: LogLevel = "info"): Logger {
  return createLogger({ name, level, pretty: context.io.stderr.isTTY === true });
}
