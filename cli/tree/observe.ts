import type { CommandSpec, OptionSpec } from "../spec.ts";

const SINCE: OptionSpec = {
  name: "since", type: "string", placeholder: "DURATION", describe: "how far back, up to 1h (default 5m)",
};

export const TOPOLOGY: CommandSpec = {
  name: "topology",
  summary: "who calls whom, with rates, errors and latencies",
  examples: [{ command: "mesh topology --since 1h", does: "the last hour" }],
  options: [SINCE],
  load: () => import("../commands/topology.ts"),
};

export const METRICS: CommandSpec = {
  name: "metrics",
  summary: "requests, errors and latency of a service",
  examples: [{ command: "mesh metrics web --since 15m", does: "the last quarter of an hour" }],
  positionals: [{ name: "service", describe: "NAME or NAMESPACE/NAME", complete: "service" }],
  options: [
    SINCE,
    { name: "metrics", type: "list", placeholder: "NAME",
      describe: "request_count, latency_p50, latency_p99, error_rate (default all)" },
  ],
  load: () => import("../commands/metrics.ts"),
};

export const PROXY_CONFIG: CommandSpec = {
  name: "proxy-config",
  summary: "what this host's proxy really runs",
  examples: [{ command: "mesh proxy-config endpoints", does: "where each upstream leads" }],
  positionals: [{ name: "section", describe: "which part", optional: true,
    choices: ["all", "listeners", "routes", "clusters", "endpoints", "certs"] }],
  load: () => import("../commands/proxy-config.ts"),
};

export const STATUS: CommandSpec = {
  name: "status",
  summary: "this host in ten lines, warnings last (exit code 1: something is wrong)",
  load: () => import("../commands/status.ts"),
};

export const VERSION: CommandSpec = {
  name: "version",
  summary: "the versions of mesh and its Node",
  shares: "none",
  load: () => import("../commands/version.ts"),
};

export const COMPLETION: CommandSpec = {
  name: "completion",
  summary: "a completion script for your shell",
  examples: [
    { command: "mesh completion bash > ~/.local/share/bash-completion/completions/mesh", does: "bash, for good" },
    { command: "mesh completion zsh > ~/.zfunc/_mesh", does: "zsh (a folder of your fpath)" },
    { command: "mesh completion fish > ~/.config/fish/completions/mesh.fish", does: "fish" },
  ],
  positionals: [{ name: "shell", describe: "bash, zsh or fish", choices: ["bash", "zsh", "fish"] }],
  shares: "none",
  load: () => import("../commands/completion.ts"),
};

export const HELP: CommandSpec = {
  name: "help",
  summary: "help for a command; `mesh help errors` explains error codes",
  subcommands: [{
    name: "errors",
    summary: "every error code, with its exit code and fix",
    examples: [{ command: "mesh help errors NOT_ALLOWED", does: "one of them" }],
    positionals: [{ name: "code", describe: "a code such as NOT_ALLOWED", optional: true }],
    shares: "none",
    load: () => import("../commands/help-errors.ts"),
  }],
};
