import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Interleaved rounds; medians are taken over them. */
  readonly rounds: number;
  /** Seconds of one measurement at 64 connections, at one connection, and at the fixed rate. */
  readonly seconds: { readonly many: number; readonly one: number; readonly fixed: number };
  /** Also other connection counts, body sizes and connection churn. */
  readonly full: boolean;
  /** Lanes by name; empty means all. */
  readonly lanes: readonly string[];
  /** Where table and figures go; undefined prints only. */
  readonly out: string | undefined;
  /** Extra Node flags for our proxies, for profiling. */
  readonly proxyFlags: readonly string[];
}

export const USAGE = `usage: npm run bench -- [options]
  --quick        two short rounds
  --full         also 1, 4, 32, 128 connections, bodies of 0 and 64 kB, connection churn
  --lanes        some of: direct, haproxy-h1, haproxy-h2, envoy, mesh, mesh-one-host
  --rounds N     interleaved rounds, 5 by default
  --proxy-flags="…"  further Node flags for our proxies, for profiling
  --no-write     print the table, leave docs/benchmarks.md and docs/benchmarks.json alone`;

/** Throws with the usage on an unknown option. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      rounds: { type: "string" },
      lanes: { type: "string", default: "" },
      "no-write": { type: "boolean", default: false },
      "proxy-flags": { type: "string", default: "" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) throw new Error(USAGE);
  const rounds = values.rounds === undefined ? (values.quick ? 2 : 5) : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds takes 1 to 100\n${USAGE}`);
  return {
    rounds,
    seconds: values.quick ? { many: 2, one: 1, fixed: 2 } : { many: 4, one: 2, fixed: 4 },
    full: values.full,
    lanes: values.lanes === "" ? [] : values.lanes.split(","),
    out: values["no-write"] ? undefined : "docs",
    proxyFlags: values["proxy-flags"] === "" ? [] : values["proxy-flags"].split(" "),
  };
}
