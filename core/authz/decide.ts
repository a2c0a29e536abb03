import type { Intention } from "../model/intention.ts";
import type { ServiceName } from "../model/names.ts";
import { covers, sortIntentions } from "./precedence.ts";

export interface Decision {
  readonly allowed: boolean;
  /** The one that decided; none: the default did. */
  readonly intention?: Intention;
  /** For people. */
  readonly reason: string;
}

const nameOf = ({ namespace, name }: ServiceName): string => `${namespace}/${name}`;

/** `allow default/web → default/*, precedence 6`. */
const describeIntention = (i: Intention): string =>
  `${i.action} ${nameOf(i.source)} → ${nameOf(i.destination)}, precedence ${i.precedence}`;

/** The first of `sorted` (order of evaluation) that covers both decides alone; none means no. */
export function decide(sorted: readonly Intention[], source: ServiceName, destination: ServiceName): Decision {
  const intention = sorted.find((i) => covers(i.destination, destination) && covers(i.source, source));
  if (intention === undefined) {
    const call = `${nameOf(source)} → ${nameOf(destination)}`;
    return { allowed: false, reason: `no intention covers ${call}: denied by default` };
  }
  return { allowed: intention.action === "allow", intention, reason: `intention ${describeIntention(intention)}` };
}

/** Intentions that can decide about calls to the destination, in order of evaluation: what its host enforces. */
export const intentionsForDestination = (all: readonly Intention[], destination: ServiceName): Intention[] =>
  sortIntentions(all.filter((i) => covers(i.destination, destination)));
