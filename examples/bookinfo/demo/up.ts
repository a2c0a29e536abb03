/** Brings the whole mesh up, in the steps that a user would take. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseApiAddress } from "../../../io/client-address.ts";
import { type ApiClient, createApiClient } from "../../../io/client.ts";
import { type HeldPorts, holdPorts, readDefinition, upstreamsOf, withPorts } from "./definitions.ts";
import { HOSTS, INTENTIONS, type HostPlan, type ServicePlan } from "./layout.ts";
import { type Processes, meshOk } from "./processes.ts";

export interface Mesh {
  readonly processes: Processes;
  /** For `mesh` commands: MESH_HTTP_ADDR and MESH_TOKEN of host-1's agent. */
  readonly env: Readonly<Record<string, string>>;
  readonly client: ApiClient;
  readonly hosts: readonly Host[];
  /** Port of each application by the name of its definition. */
  readonly ports: ReadonlyMap<string, number>;
  /** Local upstream ports: `productpage>reviews`. */
  readonly upstreams: ReadonlyMap<string, number>;
  readonly folder: string;
}

export interface Host {
  readonly node: string;
  readonly address: string;
  readonly inboundPort: number;
  readonly env: Readonly<Record<string, string>>;
}

interface ServerReady { readonly http: number; readonly token: string }
interface AgentReady { readonly http: number; readonly inbound: number }

export type Say = (text: string) => void;

export async function bringUp(folder: string, processes: Processes, say: Say): Promise<Mesh> {
  say("one server: catalog, certificates, intentions");
  const server = await startServer(folder, processes);
  say("three hosts join by ticket, each with its agent and proxy");
  const [hosts, apps] = await Promise.all([
    Promise.all(HOSTS.map((plan) => startHost(folder, processes, plan, server))),
    startApplications(processes),
  ]);
  const env = hosts[0]!.env;
  say("mesh agent register, for each service definition");
  const written = writeDefinitions(folder, apps);
  await apps.held.release();
  const [, created] = await Promise.all([
    Promise.all(HOSTS.map((plan, i) => meshOk(
      ["agent", "register", "--wait", ...plan.services.map((s) => written.get(s.file)!)], hosts[i]!.env))),
    Promise.all(INTENTIONS.map(([source, destination]) => meshOk(["intention", "create", source, destination], env))),
  ]);
  for (const line of created) say(`mesh intention create: ${line.trim()}`);
  const client = createApiClient({ address: parseApiAddress(env["MESH_HTTP_ADDR"]!), token: server.token });
  return { processes, env, client, hosts, ports: apps.ports, upstreams: apps.upstreams, folder };
}

async function startServer(folder: string, processes: Processes): Promise<ServerReady & { address: string }> {
  const ready = join(folder, "server.json");
  processes.mesh("server", [
    "server", "--bootstrap", "--node", "server-1", "--data-dir", join(folder, "server"), "--bind", "127.0.0.1",
    "--advertise", "127.0.0.1", "--http-addr", "127.0.0.1:0", "--https-port", "0", "--grpc-port", "0",
    "--ready-file", ready, "--config", emptyFolder(folder),
  ]);
  const state = await processes.ready<ServerReady>("server", ready);
  return { ...state, address: `http://127.0.0.1:${state.http}` };
}

/** This machine's own /etc/mesh.d is none of the demo's business. */
function emptyFolder(folder: string): string {
  const path = join(folder, "config");
  mkdirSync(path, { recursive: true });
  return path;
}

async function startHost(
  folder: string, processes: Processes, plan: HostPlan, server: ServerReady & { address: string },
): Promise<Host> {
  const name = `agent-${plan.node}`;
  const ticket = join(folder, `${plan.node}.ticket`);
  await meshOk(["acl", "ticket", "create", "--node", plan.node, "--allow", "*", "--out", ticket], {
    MESH_HTTP_ADDR: server.address, MESH_TOKEN: server.token,
  });
  const ready = join(folder, `${plan.node}.json`);
  processes.mesh(name, [
    "agent", "--node", plan.node, "--data-dir", join(folder, plan.node), "--bind", plan.address,
    "--advertise", plan.address, "--http-addr", `${plan.address}:0`, "--inbound-port", "0", "--ticket-file", ticket,
    "--ready-file", ready, "--config", emptyFolder(folder), "--services-dir", emptyFolder(folder),
  ]);
  const state = await processes.ready<AgentReady>(name, ready);
  return {
    node: plan.node, address: plan.address, inboundPort: state.inbound,
    env: { MESH_HTTP_ADDR: `http://${plan.address}:${state.http}`, MESH_TOKEN: server.token },
  };
}

interface Applications {
  readonly ports: ReadonlyMap<string, number>;
  readonly upstreams: ReadonlyMap<string, number>;
  readonly held: HeldPorts;
}

const SERVICES: readonly ServicePlan[] = HOSTS.flatMap((plan) => plan.services);

async function startApplications(processes: Processes): Promise<Applications> {
  const wanted = SERVICES.flatMap(({ file }) =>
    upstreamsOf(readDefinition(file)).map((u) => ({ file, destination: u.destination_name })));
  const held = await holdPorts(wanted.length);
  const upstreams = new Map(wanted.map(({ file, destination }, i) => [`${file}>${destination}`, held.ports[i]!]));
  const ports = await Promise.all(SERVICES.map(async ({ file, application, args }) => {
    const given = wanted.filter((w) => w.file === file)
      .flatMap((w) => [`--${w.destination}-port`, String(upstreams.get(`${file}>${w.destination}`))]);
    return [file, await processes.application(file, [application, ...args, ...given])] as const;
  }));
  return { ports: new Map(ports), upstreams, held };
}

/** Writes this run's definitions beside its other files and returns each one's path. */
function writeDefinitions(folder: string, { ports, upstreams }: Applications): ReadonlyMap<string, string> {
  const target = join(folder, "services");
  mkdirSync(target, { recursive: true });
  return new Map(SERVICES.map(({ file }) => {
    const mine = new Map([...upstreams].filter(([key]) => key.startsWith(`${file}>`))
      .map(([key, port]) => [key.slice(file.length + 1), port]));
    const path = join(target, `${file}.json`);
    const definition = withPorts(readDefinition(file), ports.get(file)!, mine);
    writeFileSync(path, `${JSON.stringify(definition, null, 2)}\n`);
    return [file, path];
  }));
}
