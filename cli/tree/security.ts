import type { CommandSpec, OptionSpec } from "../spec.ts";

const ROLES_HELP = "management, write:NAMESPACE or read:NAMESPACE; may be given again";
const OUT_FILE: OptionSpec = {
  name: "out", type: "string", placeholder: "FILE", complete: "file",
  describe: "write it there (0600) instead of showing it",
};

export const CA: CommandSpec = {
  name: "ca",
  summary: "certificates: the roots, and short ones for your own client",
  subcommands: [
    {
      name: "roots",
      summary: "the roots that the mesh trusts",
      examples: [{ command: "mesh ca roots --format json | jq -r '.[].pem'", does: "as PEM" }],
      load: () => import("../commands/ca-roots.ts"),
    },
    {
      name: "issue",
      summary: "a short certificate and key of a service, for curl --cert",
      examples: [
        { command: "mesh ca issue web --out ./web-cert", does: "writes cert.pem, key.pem and roots.pem (0600)" },
      ],
      positionals: [{ name: "service", describe: "NAME or NAMESPACE/NAME", complete: "service" }],
      options: [
        { name: "out", type: "string", placeholder: "DIR", complete: "folder", describe: "folder for the three files" },
        { name: "ttl", type: "string", placeholder: "DURATION", describe: "its life (default 1h)" },
      ],
      load: () => import("../commands/ca-issue.ts"),
    },
  ],
};

const TOKEN: CommandSpec = {
  name: "token",
  summary: "tokens of the API",
  subcommands: [
    {
      name: "create",
      summary: "make a token; its secret is shown this once",
      examples: [
        { command: "mesh acl token create --role read:default --description grafana", does: "for a dashboard" },
      ],
      options: [
        { name: "role", type: "list", placeholder: "ROLE", describe: ROLES_HELP },
        { name: "description", type: "string", placeholder: "TEXT", describe: "what it is for" },
        OUT_FILE,
      ],
      load: () => import("../commands/token-create.ts"),
    },
    { name: "list", summary: "all tokens, without their secrets", load: () => import("../commands/token-list.ts") },
    {
      name: "delete",
      summary: "make a token worthless at once",
      positionals: [{ name: "accessor", describe: "the token's accessor id (mesh acl token list)" }],
      load: () => import("../commands/token-delete.ts"),
    },
  ],
};

const TICKET: CommandSpec = {
  name: "ticket",
  summary: "tickets: one lets one host join",
  subcommands: [
    {
      name: "create",
      summary: "make a ticket that lets one host join, and says what it may be",
      examples: [
        { command: "mesh acl ticket create --node host-1 --allow default/web --out ticket",
          does: "for one host and service" },
        { command: "mesh acl ticket create --allow '*' > ticket", does: "a host that may be any service" },
      ],
      options: [
        { name: "role", type: "string", choices: ["agent", "server"], describe: "what joins (default agent)" },
        { name: "node", type: "string", placeholder: "NAME", describe: "only a host of this name may use it" },
        { name: "allow", type: "list", placeholder: "NS/SERVICE",
          describe: "what may be registered there: NS/SERVICE, NS/* or '*'; may be given again" },
        { name: "ttl", type: "string", placeholder: "DURATION", describe: "how long it can be used (default 1h)" },
        OUT_FILE,
      ],
      load: () => import("../commands/ticket-create.ts"),
    },
    { name: "list", summary: "tickets, and whether they were used", load: () => import("../commands/ticket-list.ts") },
    {
      name: "delete",
      summary: "make a ticket worthless",
      positionals: [{ name: "id", describe: "its id (mesh acl ticket list)" }],
      load: () => import("../commands/ticket-delete.ts"),
    },
  ],
};

export const ACL: CommandSpec = {
  name: "acl",
  summary: "access: tokens, tickets, what a host may be",
  subcommands: [
    TOKEN,
    TICKET,
    {
      name: "node",
      summary: "what a host may be",
      subcommands: [
        {
          name: "allow",
          summary: "permit a host to register services and hold their certificates",
          examples: [{ command: "mesh acl node allow host-1 default/web default/api", does: "two more services" }],
          positionals: [
            { name: "node", describe: "the host's name", complete: "node" },
            { name: "service", describe: "NS/SERVICE, NS/* or '*'", variadic: true },
          ],
          load: () => import("../commands/node-allow.ts"),
        },
      ],
    },
  ],
};
