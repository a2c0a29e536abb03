import type { CommandSpec } from "../spec.ts";

export const SERVICES: CommandSpec = {
  name: "services",
  summary: "the mesh's services and their health",
  examples: [
    { command: "mesh services", does: "all, with healthy and total instances" },
    { command: "mesh services --format json | jq '.[].name'", does: "for a program" },
  ],
  load: () => import("../commands/services.ts"),
};

export const INSTANCES: CommandSpec = {
  name: "instances",
  summary: "the instances of a service, with host, address and checks",
  examples: [{ command: "mesh instances web", does: "where web runs, and how it is" }],
  positionals: [{ name: "service", describe: "NAME or NAMESPACE/NAME", complete: "service" }],
  options: [{ name: "passing", type: "boolean", describe: "only those whose checks pass" }],
  load: () => import("../commands/instances.ts"),
};

export const NODES: CommandSpec = {
  name: "nodes",
  summary: "the hosts of the mesh",
  load: () => import("../commands/nodes.ts"),
};

const SOURCE = { name: "source", describe: "who calls: NAME, NAMESPACE/NAME or '*'", complete: "service" } as const;
const DESTINATION = { name: "destination", describe: "who is called", complete: "service" } as const;

export const INTENTION: CommandSpec = {
  name: "intention",
  summary: "who may call whom (nothing, until you say so)",
  subcommands: [
    {
      name: "create",
      summary: "allow (or with --deny forbid) one service to call another",
      examples: [
        { command: "mesh intention create web api", does: "web may call api" },
        { command: "mesh intention create --deny '*' api", does: "nobody else may" },
      ],
      positionals: [SOURCE, DESTINATION],
      options: [
        { name: "deny", type: "boolean", describe: "forbid instead of allow" },
        { name: "description", type: "string", placeholder: "TEXT", describe: "why it exists" },
      ],
      load: () => import("../commands/intention-create.ts"),
    },
    {
      name: "delete",
      summary: "remove an intention; what it alone allowed is denied again",
      positionals: [SOURCE, DESTINATION],
      load: () => import("../commands/intention-delete.ts"),
    },
    {
      name: "list",
      summary: "all intentions, the deciding ones first",
      load: () => import("../commands/intention-list.ts"),
    },
    {
      name: "check",
      summary: "may SOURCE call DESTINATION, and which intention says so (exit code 1: denied)",
      examples: [{ command: "mesh intention check web api", does: "Allowed or denied, and why" }],
      positionals: [SOURCE, DESTINATION],
      load: () => import("../commands/intention-check.ts"),
    },
    {
      name: "match",
      summary: "the intentions that concern a service, in the order they are tried",
      positionals: [{ name: "service", describe: "NAME or NAMESPACE/NAME", complete: "service" }],
      options: [{ name: "by", type: "string", choices: ["destination", "source"],
        describe: "the service's side (default destination)" }],
      load: () => import("../commands/intention-match.ts"),
    },
  ],
};
