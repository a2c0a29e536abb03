import type { CommandSpec, OptionSpec } from "../spec.ts";

const text = (name: string, placeholder: string, describe: string): OptionSpec =>
  ({ name, type: "string", placeholder, describe });
const port = (name: string, describe: string): OptionSpec => ({ name, type: "number", placeholder: "PORT", describe });
const file = (name: string, describe: string): OptionSpec =>
  ({ name, type: "string", placeholder: "FILE", describe, complete: "file" });

const HTTP_PORT = port("http-port", "port of the HTTP API (default 8500; 0 picks a free one)");
const HTTPS_PORT = port("https-port", "port of the HTTPS API, where hosts join (default 8501)");
const GRPC_PORT = port("grpc-port", "port for agents and other servers, mTLS (default 8300)");
const INBOUND_PORT = port("inbound-port", "port where other hosts' proxies come in, mTLS (default 15008)");
const GOSSIP_PORT = port("gossip-port", "reserved for gossip; nothing listens there yet");
const DNS_PORT = port("dns-port", "reserved for DNS; nothing listens there yet");
const READY_FILE = file(
  "ready-file", "written (0600) once everything serves, removed at the end: ports and secrets as JSON");
const DATA_DIR: OptionSpec = {
  name: "data-dir", type: "string", placeholder: "DIR", complete: "folder",
  describe: "where state is kept (default /var/lib/mesh)",
};

const COMMON: readonly OptionSpec[] = [
  { name: "config", type: "list", placeholder: "PATH", complete: "file",
    describe: "file or folder of files (*.yaml, *.json) instead of /etc/mesh.d; may be given again" },
  DATA_DIR,
  text("node", "NAME", "this host's name in the mesh (default: its host name)"),
  text("bind", "ADDRESS", "address to listen on for other hosts (default 0.0.0.0)"),
  text("advertise", "ADDRESS", "address that other hosts use (default: the one it binds, or this host's first)"),
  text("http-addr", "HOST:PORT", "where the HTTP API listens (default 127.0.0.1:8500)"),
  { name: "retry-join", type: "list", placeholder: "HOST:PORT",
    describe: "a server's HTTPS address, tried before those in the ticket; may be given again" },
  file("ticket-file", "file with the ticket that lets this host join; - for stdin"),
  READY_FILE,
  HTTP_PORT, GOSSIP_PORT, DNS_PORT,
  { name: "log-level", type: "string", choices: ["debug", "info", "warn", "error"], describe: "how much is logged" },
];

export const DEV: CommandSpec = {
  name: "dev",
  summary: "a whole mesh on this host, for trying it out",
  details: "Runs server, agent and proxy with the same security as in production: mTLS, denied by default, a token for "
    + "the API. Prints the export line that the other commands need. Data goes to a temporary folder that is removed "
    + "at the end, unless --data-dir names one.",
  examples: [
    { command: "mesh dev", does: "start, and read what it prints" },
    { command: "mesh dev --http-port 0 --grpc-port 0 --inbound-port 0 --ready-file /tmp/m.json",
      does: "a second one beside it, on free ports" },
  ],
  options: [
    { ...DATA_DIR, describe: "keep state there (default: a temporary folder, removed at the end)" },
    HTTP_PORT, DNS_PORT, GRPC_PORT, GOSSIP_PORT, INBOUND_PORT, READY_FILE,
    { name: "ui", type: "boolean", onByDefault: true, describe: "no web page (reserved: there is none yet)" },
    { name: "log-level", type: "string", choices: ["debug", "info", "warn", "error"], describe: "how much is logged" },
  ],
  shares: "none",
  daemon: true,
  load: () => import("../commands/dev.ts"),
};

export const SERVER: CommandSpec = {
  name: "server",
  summary: "run a server: catalog, certificates, intentions",
  details: "The first server of a cluster is started with --bootstrap and makes the cluster's secrets; the management "
    + "token is shown on a terminal, or else written to bootstrap-token in the data folder.",
  examples: [
    { command: "mesh server --bootstrap --data-dir /var/lib/mesh", does: "make a new cluster" },
    { command: "mesh server --config /etc/mesh.d", does: "run with the files of a folder" },
  ],
  options: [
    ...COMMON, HTTPS_PORT, GRPC_PORT,
    { name: "bootstrap", type: "boolean", describe: "make a new cluster unless the data folder holds one" },
    text("trust-domain", "NAME", "trust domain of a new cluster (default: <cluster-id>.mesh)"),
    text("leaf-ttl", "DURATION", "life of service certificates, 1s to 168h (default 24h)"),
  ],
  shares: "none",
  daemon: true,
  load: () => import("../commands/server.ts"),
};

const AGENT_VERBS: readonly CommandSpec[] = [
  {
    name: "register",
    summary: "register the services of definition files on this host",
    details: "Files are Consul service definitions, JSON or YAML; - reads standard input. Every file is checked before "
      + "anything is sent, and a mistake is shown with its line and column. Registering again what is there changes "
      + "nothing and says so.",
    examples: [
      { command: "mesh agent register web.json", does: "register one" },
      { command: "mesh agent register --wait services/*.json", does: "until the proxy serves them" },
      { command: "cat web.yaml | mesh agent register -", does: "from standard input" },
    ],
    positionals: [{ name: "file", describe: "definition files, or -", variadic: true, complete: "file" }],
    options: [
      { name: "wait", type: "boolean", describe: "return once the local proxy has taken them over" },
      text("wait-timeout", "DURATION", "how long --wait waits (default 30s); then the exit code is 5"),
    ],
    load: () => import("../commands/agent-register.ts"),
  },
  {
    name: "deregister",
    summary: "take services off this host",
    examples: [{ command: "mesh agent deregister web-1", does: "by its id" }],
    positionals: [{ name: "id", describe: "ids of services (mesh agent services)", variadic: true }],
    load: () => import("../commands/agent-deregister.ts"),
  },
  {
    name: "services",
    summary: "the services of this host and their checks",
    examples: [{ command: "mesh agent services --format json", does: "for a program" }],
    load: () => import("../commands/agent-services.ts"),
  },
  {
    name: "reload",
    summary: "read the service files of this host again",
    details: "Says which definitions were loaded, and waits up to 2 s for the servers: exit code 1 when they refuse "
      + "one.",
    load: () => import("../commands/agent-reload.ts"),
  },
  {
    name: "maint",
    summary: "maintenance: keep new requests away from a service of this host",
    examples: [
      { command: "mesh agent maint enable web-1 --reason 'new disk'", does: "no new requests" },
      { command: "mesh agent maint disable web-1", does: "take part again" },
    ],
    positionals: [
      { name: "action", describe: "enable or disable", choices: ["enable", "disable"] },
      { name: "id", describe: "the service's id (mesh agent services)" },
    ],
    options: [text("reason", "TEXT", "shown in the check")],
    load: () => import("../commands/agent-maint.ts"),
  },
];

export const AGENT: CommandSpec = {
  name: "agent",
  summary: "run this host's agent, or speak to it",
  details: "Without a subcommand it runs the agent, which starts and watches the proxy. The first start needs a "
    + "ticket.",
  examples: [
    { command: "mesh agent --ticket-file ticket --data-dir /var/lib/mesh", does: "join this host and run" },
    { command: "mesh agent register web.json", does: "tell the running agent of a service" },
  ],
  options: [
    ...COMMON, port("grpc-port", "a server's; an agent listens on none"), INBOUND_PORT,
    file("socket", "unix socket of the local API (default: /run/mesh/agent.sock, else one in the data folder)"),
    { name: "enable-script-checks", type: "boolean",
      describe: "let service definitions that come over the local socket run programs as this user" },
    { name: "services-dir", type: "string", placeholder: "DIR", complete: "folder",
      describe: "folder of service definitions (default /etc/mesh.d/services)" },
  ],
  shares: "none",
  daemon: true,
  subcommands: AGENT_VERBS,
  load: () => import("../commands/agent.ts"),
};

export const PROXY: CommandSpec = {
  name: "proxy",
  summary: "run the proxy (the agent does this)",
  options: [file("socket", "the agent's socket for its proxy")],
  shares: "none",
  daemon: true,
  load: () => import("../commands/proxy.ts"),
};
