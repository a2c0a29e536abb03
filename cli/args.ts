import { MeshError } from "../core/base/errors.ts";
import { parseDuration } from "../core/model/duration.ts";

/** Options and positionals of one command, after parsing: every name is known and every value has its type. */
export interface Args {
  text(name: string): string | undefined;
  /** For a positional that the tree requires. */
  required(name: string): string;
  list(name: string): readonly string[];
  number(name: string): number | undefined;
  /** undefined: not said either way. */
  flag(name: string): boolean | undefined;
  durationMs(name: string): number | undefined;
}

export function createArgs(values: Readonly<Record<string, unknown>>): Args {
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === "string" ? value : undefined;
  };
  return {
    text,
    required(name) {
      const value = text(name);
      if (value === undefined) throw new MeshError("USAGE", `${name} is missing`);
      return value;
    },
    list(name) {
      const value = values[name];
      return Array.isArray(value) ? (value as readonly string[]) : [];
    },
    number(name) {
      const value = values[name];
      return typeof value === "number" ? value : undefined;
    },
    flag(name) {
      const value = values[name];
      return typeof value === "boolean" ? value : undefined;
    },
    durationMs(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      const ms = parseDuration(value);
      if (ms !== undefined) return ms;
      throw new MeshError("USAGE", `--${name} is not a duration: "${value}"`, { fix: "write 500ms, 10s, 5m or 1h30m" });
    },
  };
}
