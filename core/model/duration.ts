const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6, us: 1e-3, "µs": 1e-3, "μs": 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000,
};

const TERM = /^(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d)/;

/**
 * Milliseconds of a duration as Go and Consul write it: `10s`, `1m30s`, `250ms`, `1.5h`, `0`; days (`7d`) too.
 * Undefined for anything else, negative ones included.
 */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  let rest = text;
  let totalMs = 0;
  while (rest !== "") {
    const term = TERM.exec(rest);
    if (term === null) return undefined;
    totalMs += Number(term[1]) * UNIT_MS[term[2]!]!;
    rest = rest.slice(term[0].length);
  }
  return text === "" ? undefined : totalMs;
}
