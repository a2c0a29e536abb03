import { assert } from "../base/assert.ts";
import { covers } from "../authz/precedence.ts";
import { applyCommand, deniedTo } from "./apply.ts";
import { refuse } from "./apply-context.ts";
import { decodeCommand } from "./commands.ts";
import { History } from "./history.ts";
import { Queries } from "./queries.ts";
import type { ApplyResult } from "./records.ts";
import { readSnapshot, snapshotParts, writeSnapshot } from "./snapshot.ts";
import { State } from "./state.ts";
import type { Change } from "./state.ts";
import { byText } from "./table.ts";
import { parseTopic, prefixOf, sourcesOf, TouchedSet } from "./topics.ts";

/**
 * The servers' state machine. Log entries go in through `apply`, in order and once each; nothing else changes it.
 * Equal entries give equal states on every server: it reads no clock and no randomness, and no result depends on the
 * order of a map (pitfall 13).
 *
 * Indexes are those of the log. `indexOf(x)` is the last one that changed `x` (a topic or a table) and never goes back,
 * not even when the last item of a topic goes or a snapshot is restored: a topic that is no more answers with the floor
 * of its kind, which rises to the index of each end.
 */

/** Requests whose answers are remembered for retries: some ten seconds of a busy cluster, minutes of a quiet one. */
const REQUESTS_REMEMBERED = 65_536;

export type ChangeListener = (index: number, topics: ReadonlySet<string>) => void;

export interface TopicChanges {
  readonly upserts: Map<string, object>;
  readonly deletes: string[];
}

export const createCatalog = (): Catalog => new Catalog();

export class Catalog extends Queries {
  #index = 0;
  readonly #history = new History();
  readonly #listeners = new Set<ChangeListener>();

  constructor() {
    super(new State());
  }

  /** Index of the last entry that was applied. */
  get appliedIndex(): number {
    return this.#index;
  }

  /** Applies one log entry; a refused command answers why and changes nothing. Throws only on an index out of order. */
  apply(index: number, entry: Uint8Array): ApplyResult {
    assert(index > this.#index, `entry ${index} after ${this.#index}`);
    this.#index = index;
    const envelope = decodeCommand(entry);
    if (envelope === undefined) return refuse("INVALID", "the log entry is no command that this version knows");
    const { requestId, nowMs, command, accessor } = envelope;
    const known = requestId === "" ? undefined : this.state.requests.get(requestId);
    if (known !== undefined) return known.result;
    const context = { state: this.state, index, nowMs };
    const denied = accessor === undefined ? undefined : deniedTo(context, accessor, command);
    const result = denied ?? applyCommand(context, command);
    if (requestId !== "") this.#remember(requestId, result);
    this.#commit(index);
    return result;
  }

  snapshot(): Uint8Array {
    return writeSnapshot(this.state, this.#index);
  }

  /** The same bytes in parts of some 256 kB, encoded as they are taken: time for other work between them. */
  snapshotParts(): Iterable<Uint8Array> {
    return snapshotParts(this.state, this.#index);
  }

  /** Replaces everything by a snapshot; nothing is changed when it is refused (STORAGE_CORRUPT, INVALID). */
  restore(bytes: Uint8Array): void {
    const state = new State();
    this.#index = readSnapshot(state, bytes);
    state.settle();
    this.state = state;
    this.#history.clear(this.#index);
    const touched = new TouchedSet(state.indexes.sortedKeys().filter((key) => !key.startsWith("floor/")));
    touched.everything = true;
    this.#notify(touched);
  }

  /** 16 hex digits over all rows and indexes: equal on equal states, whatever way led there. */
  stateHash(): string {
    return this.state.hash.toString();
  }

  /** Last index that changed the topic or table; 0 when nothing ever did (Consul's header wants at least 1). */
  indexOf(topicOrTable: string): number {
    return Math.max(...sourcesOf(topicOrTable).map((source) => this.#sourceIndex(source)));
  }

  /**
   * Called after each commit that changed something, and after a restore, with the touched tables and topics. `has`
   * understands wildcard intentions; so does iteration, for services that have instances. A listener must not throw and
   * must not apply. Gives the function that ends it.
   */
  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Everything in a topic now, ascending by key; empty for an unknown one. */
  topicItems(topic: string): Map<string, object> {
    const parsed = parseTopic(topic);
    const items = new Map<string, object>();
    if (parsed === undefined) return items;
    const { kind, namespace, name } = parsed;
    if (kind === "service") {
      for (const endpoint of this.endpoints(namespace, name)) items.set(`${endpoint.node}/${endpoint.id}`, endpoint);
    } else if (kind === "intentions") {
      const found = this.intentionsFor({ namespace, name }).map((i) => [i.id, i] as const);
      for (const [id, intention] of found.sort(([a], [b]) => byText(a, b))) items.set(id, intention);
    } else if (kind === "roots") {
      for (const root of this.roots()) items.set(root.id, root);
    } else {
      const item = kind === "defaults" ? this.serviceDefaults(namespace, name)
        : kind === "node" ? this.nodeTopicItem(name) : undefined;
      if (item !== undefined) items.set(kind === "defaults" ? `${namespace}/${name}` : name, item);
    }
    return items;
  }

  /**
   * What one who has seen the topic at `index` must write and delete to hold what it is now; undefined when that is
   * not known any more: send all of it. Items are as they are now, each once, however often they changed.
   */
  changesSince(topic: string, index: number): TopicChanges | undefined {
    const kind = parseTopic(topic)?.kind;
    if (index > this.#index || index <= 0 || kind === undefined || kind === "health") return undefined;
    const keys = new Set<string>();
    for (const source of sourcesOf(topic)) {
      if (this.#sourceIndex(source) <= index) continue;
      const changed = kind === "node" ? [topic.slice("node/".length)] : this.#history.keysSince(source, index);
      if (changed === undefined) return undefined;
      for (const key of changed) keys.add(key);
    }
    const changes: TopicChanges = { upserts: new Map(), deletes: [] };
    for (const key of [...keys].sort(byText)) {
      const item = this.#topicItem(topic, key);
      if (item === undefined) changes.deletes.push(key);
      else changes.upserts.set(key, item);
    }
    return changes;
  }

  #topicItem(topic: string, key: string): object | undefined {
    if (topic.startsWith("service/")) return this.state.endpoints.get(topic.slice("service/".length))?.get(key);
    const parsed = parseTopic(topic);
    if (parsed?.kind === "intentions") {
      const intention = this.intention(key);
      return intention !== undefined && covers(intention.destination, parsed) ? intention : undefined;
    }
    return this.topicItems(topic).get(key);
  }

  #sourceIndex(source: string): number {
    const prefix = prefixOf(source);
    const floor = prefix === undefined ? 0 : (this.state.indexes.get(`floor/${prefix}`)?.index ?? 0);
    return this.state.indexes.get(source)?.index ?? floor;
  }

  #remember(requestId: string, result: ApplyResult): void {
    const { requests } = this.state;
    requests.put(requestId, { result });
    if (requests.size <= REQUESTS_REMEMBERED) return;
    const oldest = requests.entries().next().value;
    assert(oldest !== undefined, "a full table has a first row");
    requests.delete(oldest[0]);
  }

  #commit(index: number): void {
    const { changes, touched } = this.state.settle();
    for (const change of changes) this.#record(change, index);
    for (const source of touched) {
      const prefix = prefixOf(source);
      if (prefix === undefined || this.#isAlive(source)) {
        this.state.indexes.put(source, { index });
      } else {
        this.state.indexes.delete(source);
        this.state.indexes.put(`floor/${prefix}`, { index });
      }
    }
    if (touched.size > 0) this.#notify(this.#expand(touched));
  }

  #record({ topic, key }: Change, index: number): void {
    this.#history.record(topic, key, { index, before: this.#sourceIndex(topic) });
  }

  #isAlive(source: string): boolean {
    const { kind, namespace, name } = parseTopic(source)!;
    const group = `${namespace}/${name}`;
    if (kind === "service" || kind === "health") return this.state.endpoints.get(group) !== undefined;
    if (kind === "intentions") return this.state.intentionsByDestination.get(group) !== undefined;
    return kind === "defaults" ? this.serviceDefaults(namespace, name) !== undefined : this.node(name) !== undefined;
  }

  /** Adds the topics that are views of a touched source, so that iterating finds them too. */
  #expand(touched: TouchedSet): TouchedSet {
    const wide = [...touched].filter((source) => /^intentions\/[^/]+\/\*$/.test(source));
    const cluster = [...touched].includes("cluster-info");
    if (wide.length === 0 && !cluster) return touched;
    if (wide.length > 0) {
      for (const group of this.state.endpoints.keys()) {
        if (touched.has(`intentions/${group}`)) touched.add(`intentions/${group}`);
      }
    }
    if (cluster) for (const [name] of this.state.nodes.entries()) touched.add(`node/${name}`);
    return touched;
  }

  #notify(touched: TouchedSet): void {
    for (const listener of this.#listeners) listener(this.#index, touched);
  }
}
