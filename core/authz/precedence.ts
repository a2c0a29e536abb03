import type { Intention } from "../model/intention.ts";

type Name = Intention["source"];
type Pair = Pick<Intention, "source" | "destination">;

/** How much of a name is exact: 0 for any namespace, 1 for any name in one, 2 for one service. */
const exactness = ({ namespace, name }: Name): 0 | 1 | 2 => (namespace === "*" ? 0 : name === "*" ? 1 : 2);

/**
 * Consul's number for an intention, 9 for two exact names down to 1 for any to any: the destination counts first, the
 * source within it (Consul, "Intention precedence and match order").
 */
export function precedence(intention: Pair): number {
  return 3 + 3 * exactness(intention.destination) - (2 - exactness(intention.source));
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Order of evaluation: highest precedence first, ties by source namespace, source, destination namespace and name. */
export function compareIntentions(a: Pair, b: Pair): number {
  return precedence(b) - precedence(a)
    || byText(a.source.namespace, b.source.namespace) || byText(a.source.name, b.source.name)
    || byText(a.destination.namespace, b.destination.namespace) || byText(a.destination.name, b.destination.name);
}

/** A new list in order of evaluation. */
export const sortIntentions = <T extends Pair>(intentions: readonly T[]): T[] =>
  [...intentions].sort(compareIntentions);

/** Whether a pattern (`ns/name`, `ns/*`, any namespace and name) covers the service. */
export function covers(pattern: Name, service: Name): boolean {
  if (pattern.namespace === "*") return true;
  return pattern.namespace === service.namespace && (pattern.name === "*" || pattern.name === service.name);
}
