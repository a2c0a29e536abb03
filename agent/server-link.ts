/**
 * The host's connection to the servers: one gRPC client under its node certificate, replaced whole when the certificate
 * or the roots change. Every call has a time limit, and the last outcome is kept for `mesh status`.
 */
import { MeshError } from "../core/base/errors.ts";
import type { MeshClient } from "../io/gen/mesh/v1/mesh.ts";
import { createGrpcClient, unary, type UnaryOptions } from "../io/grpc/client.ts";
import type { NodeCredentials } from "./credentials.ts";
import { reasonOf } from "./reasons.ts";

export interface LinkStatus {
  readonly servers: readonly string[];
  readonly connected: boolean;
  /** Wall time of the last answer; 0: never since the agent started. */
  readonly lastContactMs: number;
  readonly lastError: string;
}

type Method = Parameters<typeof unary>[0];
type CallName = "nodeState" | "syncNode" | "signLeaf" | "renewNode" | "forward" | "reportTelemetry" | "resolveToken";
type RequestOf<K extends CallName> = Parameters<MeshClient[K]>[0];
type ResponseOf<K extends CallName> = NonNullable<Parameters<Extract<Parameters<MeshClient[K]>[3], Callback>>[1]>;
type Callback = (...args: never[]) => void;

export class ServerLink {
  #credentials: NodeCredentials;
  #client: MeshClient;
  #connected = false;
  #lastContactMs = 0;
  #lastError = "";
  readonly #listeners: (() => void)[] = [];

  constructor(credentials: NodeCredentials) {
    this.#credentials = credentials;
    this.#client = createClient(credentials);
  }

  get client(): MeshClient {
    return this.#client;
  }

  get credentials(): NodeCredentials {
    return this.#credentials;
  }

  status(): LinkStatus {
    return { servers: this.#credentials.servers, connected: this.#connected, lastContactMs: this.#lastContactMs,
      lastError: this.#connected ? "" : this.#lastError };
  }

  /** The watch stream tells whether a server is there. */
  setConnected(connected: boolean, error = ""): void {
    // A connection that ends was there until now, however long nothing came over it.
    if (connected || this.#connected) this.#lastContactMs = Date.now();
    this.#connected = connected;
    if (!connected && error !== "") this.#lastError = error;
  }

  /** Called when the client was replaced: streams must be opened again. */
  onReplaced(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** New certificate, roots or servers. Calls that run end with UNREACHABLE and are tried again by their owners. */
  replace(credentials: NodeCredentials): void {
    const old = this.#client;
    this.#credentials = credentials;
    this.#client = createClient(credentials);
    old.close();
    for (const listener of this.#listeners) listener();
  }

  /** One call; rejects with the server's MeshError, UNREACHABLE or TIMEOUT. */
  async call<K extends CallName>(name: K, request: RequestOf<K>, options: UnaryOptions): Promise<ResponseOf<K>> {
    try {
      const method = this.#client[name].bind(this.#client) as unknown as Method;
      const response = await unary(method, request, options);
      this.#lastContactMs = Date.now();
      return response as ResponseOf<K>;
    } catch (error) {
      if (error instanceof MeshError && error.code === "UNREACHABLE") this.#lastError = reasonOf(error);
      throw error;
    }
  }

  close(): void {
    this.#client.close();
  }
}

function createClient(credentials: NodeCredentials): MeshClient {
  const { servers, trustDomain, rootsPem, chainPem, keyPem } = credentials;
  return createGrpcClient({ servers, trustDomain, tls: { rootsPem, chainPem, keyPem }, nowMs: Date.now });
}
