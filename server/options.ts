import type { MeshError } from "../core/base/errors.ts";
import type { Logger } from "../io/logger.ts";
import type { TicketRequest } from "./tickets.ts";

export interface ServerOptions {
  /** This server's name. */
  readonly node: string;
  readonly dataDir: string;
  /** Address of the HTTPS and gRPC listeners. */
  readonly bind: string;
  /** Address that hosts and other servers use. */
  readonly advertise: string;
  /** The API without TLS, for loopback; undefined: none. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
  readonly httpsPort: number;
  readonly grpcPort: number;
  /** Make a new cluster, unless the data folder holds one. */
  readonly bootstrap: boolean;
  readonly trustDomain?: string;
  /** Life of services' certificates; 24 h when left out, 7 days at most. */
  readonly leafTtlMs?: number;
  /** Written (0600) once it serves. */
  readonly readyFile?: string;
  readonly log: Logger;
  /** Shows the first management token to a person; without it the token is written to `<dataDir>/bootstrap-token`. */
  readonly showToken?: (token: string) => void;
  /** A file with the seal key that the service manager hands over; without it `<dataDir>/seal.key`. */
  readonly sealKeyCredential?: string;
  /** Called when the disk or the log can no longer be trusted; by default the process ends with code 1. */
  readonly onFatal?: (error: MeshError) => void;
  /** Wall clock; for tests. */
  readonly nowMs?: () => number;
}

export interface RunningServer {
  /** Undefined where `http` was. */
  readonly httpPort: number | undefined;
  readonly httpsPort: number;
  readonly grpcPort: number;
  /** On the first start, and as long as the bootstrap-token file is there. */
  readonly managementToken: string | undefined;
  /** Standard base64 of 32 bytes. */
  readonly gossipKey: string;
  /** The text of a ticket. */
  createTicket(request: TicketRequest): Promise<string>;
  close(): Promise<void>;
}
