/**
 * Which hosts of a large service one caller uses. Tunnels are per host, so their number is what a subset bounds; by
 * rendezvous hashing every caller takes another set, all sets together load the hosts evenly, and a host that comes or
 * goes changes only the sets that it is in.
 */
const SUBSET_HOSTS_MAX = 16;

interface Hosted {
  readonly node: string;
}

/** The endpoints on the caller's hosts, in their order; all of them where there are few hosts. */
export function subset<T extends Hosted>(endpoints: readonly T[], caller: string, hostsMax = SUBSET_HOSTS_MAX): T[] {
  const hosts = [...new Set(endpoints.map((endpoint) => endpoint.node))];
  if (hosts.length <= hostsMax) return [...endpoints];
  const ranked = hosts
    .map((host) => ({ host, rank: hash(`${caller}\n${host}`) }))
    .sort((a, b) => b.rank - a.rank || (a.host < b.host ? -1 : 1))
    .slice(0, hostsMax);
  const chosen = new Set(ranked.map(({ host }) => host));
  return endpoints.filter((endpoint) => chosen.has(endpoint.node));
}

/** FNV-1a with murmur3's finish: evenly spread also where the texts differ in one digit. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
