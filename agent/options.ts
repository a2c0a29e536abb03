import { existsSync, accessSync, constants } from "node:fs";
import { join } from "node:path";
import { MeshError } from "../core/base/errors.ts";
import { isNodeName } from "../core/model/spiffe.ts";
import type { Logger } from "../io/logger.ts";

export interface AgentOptions {
  readonly node: string;
  /** Everything that the host keeps; made with mode 0700. */
  readonly dataDir: string;
  /** Where the proxy's inbound port listens. */
  readonly bind: string;
  /** The address under which other hosts reach this one. */
  readonly advertise: string;
  readonly http: { readonly host: string; readonly port: number };
  /** Unix socket of the API; `/run/mesh/agent.sock` where that folder is writable, else `<dataDir>/agent.sock`. */
  readonly socketPath?: string;
  /** 0: the kernel chooses, and the catalog is told. */
  readonly inboundPort: number;
  /** Needed until the data folder holds a node certificate. */
  readonly ticket?: string;
  /** Written (0600) once everything accepts. */
  readonly readyFile?: string;
  /** Definitions that are registered at start and on reload, `*.json` and `*.yaml`. */
  readonly servicesDir?: string;
  /** Program and arguments of the proxy, `--socket PATH` is added. */
  readonly proxyCommand?: readonly string[];
  /** Script checks may be registered from service files and the unix socket. */
  readonly enableScriptChecks?: boolean;
  readonly log: Logger;
}

const RUN_DIR = "/run/mesh";
/** sun_path has 108 bytes, the last one zero. */
export const SOCKET_PATH_MAX = 107;

/** The API's unix socket. Throws INVALID_CONFIG when the path is too long for one. */
export function apiSocketPath(options: AgentOptions): string {
  const usual = writable(RUN_DIR) ? `${RUN_DIR}/agent.sock` : join(options.dataDir, "agent.sock");
  const path = options.socketPath ?? usual;
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    throw new MeshError("INVALID_CONFIG", `${path} is too long for a socket: at most ${SOCKET_PATH_MAX} bytes`, {
      fix: "choose a shorter --data-dir or socket path",
    });
  }
  return path;
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return existsSync(folder);
  } catch {
    return false;
  }
}

/** Throws INVALID_CONFIG with what is wrong. */
export function checkOptions(options: AgentOptions): void {
  if (!isNodeName(options.node)) {
    throw new MeshError("INVALID_CONFIG", `"${options.node}" is not a node name`, {
      fix: "use letters, digits, dots, hyphens and underscores, 128 characters at most (--node)",
    });
  }
  if (options.advertise === "0.0.0.0" || options.advertise === "::") {
    throw new MeshError("INVALID_CONFIG", `${options.advertise} cannot be advertised: other hosts could not reach it`, {
      fix: "set --advertise to an address of this host",
    });
  }
}
