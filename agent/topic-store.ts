/**
 * What the servers last said about the topics that this host needs, in memory and on disk: after a reboot with every
 * server down the host serves on what it knew (pitfall 57). Written at most every half second, atomically, with a CRC.
 */
import type { WatchEvent } from "../io/gen/mesh/v1/mesh.ts";
import type { Logger } from "../io/logger.ts";
import { readCache, writeChecked } from "./checked-file.ts";

const WRITE_DELAY_MS = 500;

export interface TopicState {
  /** The servers' index of the last event; what a resumed stream starts from. */
  readonly index: number;
  readonly items: Map<string, unknown>;
}

interface StoredTopics {
  readonly cluster: string;
  readonly topics: readonly (readonly [topic: string, index: number, items: readonly (readonly [string, unknown])[]])[];
}

export interface TopicStoreOptions {
  readonly path: string;
  /** A cache of another cluster is not used. */
  readonly clusterId: string;
  readonly log: Logger;
  readonly onChange: (topic: string) => void;
}

export class TopicStore {
  readonly #options: TopicStoreOptions;
  readonly #topics = new Map<string, TopicState>();
  #timer: NodeJS.Timeout | undefined;
  #dirty = false;

  constructor(options: TopicStoreOptions) {
    this.#options = options;
    const stored = readCache(options.path, (message) => options.log.warn(message)) as StoredTopics | undefined;
    if (stored?.cluster !== options.clusterId) return;
    for (const [topic, index, items] of stored.topics) this.#topics.set(topic, { index, items: new Map(items) });
  }

  get(topic: string): TopicState | undefined {
    return this.#topics.get(topic);
  }

  /** Items of a topic; undefined when nothing was received yet. */
  items(topic: string): readonly unknown[] | undefined {
    const state = this.#topics.get(topic);
    return state === undefined ? undefined : [...state.items.values()];
  }

  /** Highest index seen: how far this host is. */
  index(): number {
    let most = 0;
    for (const { index } of this.#topics.values()) most = Math.max(most, index);
    return most;
  }

  /** Takes an event; an older one than what is held is left out. */
  apply(event: WatchEvent): void {
    const held = this.#topics.get(event.topic);
    if (held !== undefined && !event.reset && event.index < held.index) return;
    const items = event.reset || held === undefined ? new Map<string, unknown>() : held.items;
    for (const { key, valueJson } of event.upserts) items.set(key, JSON.parse(Buffer.from(valueJson).toString("utf8")));
    for (const key of event.deletes) items.delete(key);
    this.#topics.set(event.topic, { index: event.index, items });
    this.#changed();
    this.#options.onChange(event.topic);
  }

  /** Forgets all topics but these. */
  keep(topics: ReadonlySet<string>): void {
    for (const topic of this.#topics.keys()) {
      if (topics.has(topic)) continue;
      this.#topics.delete(topic);
      this.#changed();
    }
  }

  #changed(): void {
    this.#dirty = true;
    this.#timer ??= setTimeout(() => this.flush(), WRITE_DELAY_MS);
  }

  /** Writes now what is not written yet. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#dirty) return;
    this.#dirty = false;
    const topics = [...this.#topics].map(([topic, { index, items }]) => [topic, index, [...items]] as const);
    const stored: StoredTopics = { cluster: this.#options.clusterId, topics };
    try {
      writeChecked(this.#options.path, stored);
    } catch (error) {
      // A full disk must not stop a host that works from memory.
      this.#dirty = true;
      this.#options.log.error({ err: error }, "the cache of the servers' state cannot be written");
    }
  }
}
