import type { CommandSpec } from "../spec.ts";
import { INSTANCES, INTENTION, NODES, SERVICES } from "./catalog.ts";
import { APPLY, DELETE, GET, VALIDATE } from "./config.ts";
import { AGENT, DEV, PROXY, SERVER } from "./daemons.ts";
import { COMPLETION, HELP, METRICS, PROXY_CONFIG, STATUS, TOPOLOGY, VERSION } from "./observe.ts";
import { ACL, CA } from "./security.ts";

/** The headings of `mesh --help`, each with its commands. */
export const GROUPS: readonly { readonly title: string; readonly commands: readonly CommandSpec[] }[] = [
  { title: "Run", commands: [DEV, SERVER, AGENT, PROXY] },
  { title: "See", commands: [STATUS, SERVICES, INSTANCES, NODES, TOPOLOGY, METRICS, PROXY_CONFIG] },
  { title: "Decide", commands: [INTENTION, APPLY, GET, DELETE, VALIDATE] },
  { title: "Secure", commands: [ACL, CA] },
  { title: "Other", commands: [COMPLETION, HELP, VERSION] },
];

export const MESH: CommandSpec = {
  name: "mesh",
  summary: "a service mesh for virtual machines and bare metal",
  examples: [
    { command: "mesh dev", does: "a whole mesh on this host" },
    { command: "mesh agent register web.json", does: "put a service into it" },
    { command: "mesh intention create web api", does: "let web call api" },
    { command: "mesh topology", does: "see who calls whom" },
  ],
  subcommands: GROUPS.flatMap((group) => group.commands),
};

/** Designed but not built: they answer so instead of a guess at a typing mistake, and no help lists them. */
export const UNBUILT: ReadonlySet<string> = new Set([
  "agent drain", "agent join", "agent leave", "diff", "members", "ca rotate", "ca config", "acl bootstrap",
  "acl policy",
  "operator", "redirect", "top", "tap", "trace", "why", "doctor", "k8s", "ping", "run", "netcheck", "debug", "ui",
  "check", "stat", "edges", "analyze",
]);
