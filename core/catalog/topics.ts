/**
 * Topics: what a host or a blocking query watches (mesh.proto, `Topic.key`). `service/<ns>/<name>`,
 * `intentions/<ns>/<name>`, `defaults/<ns>/<name>`, `roots`, `node/<name>`; and for HTTP only `health/<ns>/<name>`,
 * which also moves when a check's output or an instance's own address does.
 *
 * Some topics are a view of several sources: who may call `default/web` is said by the intentions for it, for all of
 * its namespace and for any service; a node's record also carries the servers' addresses. Indexes and histories are
 * kept by source; a topic's index is the greatest of its sources'.
 */
export const serviceTopic = (namespace: string, name: string): string => `service/${namespace}/${name}`;
export const healthTopic = (namespace: string, name: string): string => `health/${namespace}/${name}`;
export const intentionsTopic = (namespace: string, name: string): string => `intentions/${namespace}/${name}`;
export const defaultsTopic = (namespace: string, name: string): string => `defaults/${namespace}/${name}`;
export const nodeTopic = (node: string): string => `node/${node}`;
export const ROOTS_TOPIC = "roots";
/** Source of every node topic: cluster id, trust domain, servers. */
export const CLUSTER_TOPIC = "cluster-info";

export interface Topic {
  readonly kind: "service" | "health" | "intentions" | "defaults" | "node" | "roots";
  /** Empty for `node` and `roots`. */
  readonly namespace: string;
  /** The service's or the node's. */
  readonly name: string;
}

const KINDS: ReadonlySet<string> = new Set(["service", "health", "intentions", "defaults"]);

/** Undefined for what is no topic. */
export function parseTopic(text: string): Topic | undefined {
  if (text === ROOTS_TOPIC) return { kind: "roots", namespace: "", name: "" };
  const parts = text.split("/");
  const [kind, a, b] = parts;
  if (kind === "node" && parts.length === 2 && a) return { kind, namespace: "", name: a };
  if (parts.length !== 3 || !KINDS.has(kind!) || !a || !b) return undefined;
  return { kind: kind as "service" | "health" | "intentions" | "defaults", namespace: a, name: b };
}

/** The sources whose change is a change of this topic; for tables and plain topics only itself. */
export function sourcesOf(topic: string): readonly string[] {
  if (topic.startsWith("node/")) return [topic, CLUSTER_TOPIC];
  if (!topic.startsWith("intentions/")) return [topic];
  const parsed = parseTopic(topic);
  if (parsed === undefined) return [topic];
  const all = [topic, intentionsTopic(parsed.namespace, "*"), intentionsTopic("*", "*")];
  return [...new Set(all)];
}

/** The first part of a topic that can go away (`service`), or undefined for tables and single ones. */
export const prefixOf = (topic: string): string | undefined => {
  const slash = topic.indexOf("/");
  return slash < 0 ? undefined : topic.slice(0, slash);
};

/**
 * What one commit touched: names of tables and topics. `has` knows views, so that `has("intentions/default/web")` is
 * true when the intention for `*` changed; iteration gives every topic of a service that the catalog knows.
 */
export class TouchedSet extends Set<string> {
  /** After a restore: everything may have changed. */
  everything = false;

  override has(topic: string): boolean {
    return this.everything || sourcesOf(topic).some((source) => super.has(source));
  }
}
