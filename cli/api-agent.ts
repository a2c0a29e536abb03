/** Endpoints of the local agent (cli/api.ts has the catalog's). */
import type { ApiClient } from "../io/client.ts";
import { type CheckEntry, path } from "./api.ts";

export interface Registered {
  /** Ids of services that are new or were changed. */
  readonly registered: readonly string[];
  readonly unchanged: readonly string[];
}

export interface RegisterOptions {
  /** As errors of the agent call the text. */
  readonly file: string;
  readonly namespace: string;
  readonly wait: boolean;
  readonly waitMs: number;
}

/** Sends the text of a definition file as it is. With `wait` the answer comes once the proxy serves it. */
export async function registerServices(
  client: ApiClient, text: string, { file, namespace, wait, waitMs }: RegisterOptions,
): Promise<Registered> {
  const answer = await client.json("PUT", "/v1/agent/service/register", {
    body: text,
    contentType: "application/yaml",
    query: { file, ns: namespace, ...(wait ? { wait: `${waitMs}ms` } : {}) },
    // The agent's own deadline comes first and says more.
    timeoutMs: (wait ? waitMs : 0) + 10_000,
  });
  return answer as Registered;
}

export async function deregisterService(client: ApiClient, id: string): Promise<void> {
  await client.json("PUT", `/v1/agent/service/deregister${path(id)}`);
}

export interface LocalServiceEntry {
  readonly ID: string;
  readonly Service: string;
  readonly Namespace?: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags: readonly string[];
  readonly Mesh?: {
    readonly Status: string;
    readonly Maintenance?: string;
    /** Empty: it has none. */
    readonly CertNotAfter?: string;
    readonly CertError?: string;
    readonly Refused?: { readonly Message: string; readonly Fix: string };
  };
}

/** By id. */
export async function localServices(client: ApiClient): Promise<Readonly<Record<string, LocalServiceEntry>>> {
  return (await client.json("GET", "/v1/agent/services")) as Record<string, LocalServiceEntry>;
}

export async function localChecks(client: ApiClient): Promise<Readonly<Record<string, CheckEntry>>> {
  return (await client.json("GET", "/v1/agent/checks")) as Record<string, CheckEntry>;
}

export interface Reloaded {
  /** Ids of the services that the folder holds. */
  readonly services: readonly string[];
  readonly warnings: readonly string[];
  /** False: the servers did not answer in time, so what they refuse is not known yet. */
  readonly synced: boolean;
  readonly refusals: readonly { readonly id: string; readonly message: string; readonly fix: string }[];
}

export async function reloadAgent(client: ApiClient): Promise<Reloaded> {
  return (await client.json("PUT", "/v1/agent/reload")) as Reloaded;
}

export async function setMaintenance(
  client: ApiClient, options: { id: string; enable: boolean; reason: string | undefined },
): Promise<void> {
  const query = { enable: options.enable, reason: options.reason };
  await client.json("PUT", `/v1/agent/service/maintenance${path(options.id)}`, { query });
}

export async function proxyConfig(client: ApiClient, section: string): Promise<unknown> {
  return client.json("GET", `/v1/mesh/proxy-config${path(section)}`);
}

export interface Status {
  readonly node: string;
  readonly cluster: string;
  readonly trust_domain: string;
  readonly advertise: string;
  readonly inbound_port: number;
  readonly agent: { readonly pid: number; readonly started_at: string };
  readonly proxy: {
    readonly state: string; readonly pid: number; readonly acked_version: number; readonly restarts: number;
  };
  readonly servers: {
    readonly connected: boolean; readonly addresses: readonly string[]; readonly last_contact: string;
  };
  readonly node_cert: { readonly not_after: string; readonly hours_left: number };
  readonly certs: readonly { readonly service: string; readonly not_after: string; readonly hours_left: number }[];
  readonly services: readonly { readonly id: string; readonly service: string; readonly status: string }[];
  readonly warnings: readonly string[];
}

export async function status(client: ApiClient): Promise<Status> {
  return (await client.json("GET", "/v1/mesh/status")) as Status;
}
