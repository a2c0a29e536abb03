/**
 * The recent changes of each topic, so that a watcher that fell behind gets a delta. Bounded over all topics together:
 * the oldest change anywhere is forgotten first. What happened after the horizon, the last index forgotten, is known of
 * every topic; of one that seldom changes it may be known from further back. Kept in memory only; after a restart or a
 * restore watchers that missed something get a snapshot.
 */
const HISTORY_LIMIT = 65_536;

interface TopicHistory {
  /** Changes after this index are all here. */
  floor: number;
  readonly indexes: number[];
  readonly keys: string[];
  /** Entries before it are forgotten. */
  head: number;
}

export class History {
  readonly #topics = new Map<string, TopicHistory>();
  /** Topics in order of their entries: first in, first forgotten. */
  #queue: string[] = [];
  #queueHead = 0;
  #horizon = 0;
  readonly #limit: number;

  constructor(limit = HISTORY_LIMIT) {
    this.#limit = limit;
  }

  /** `before`: the topic's index until now. */
  record(topic: string, key: string, at: { index: number; before: number }): void {
    let history = this.#topics.get(topic);
    if (history === undefined) {
      history = { floor: at.before, indexes: [], keys: [], head: 0 };
      this.#topics.set(topic, history);
    }
    history.indexes.push(at.index);
    history.keys.push(key);
    this.#queue.push(topic);
    if (this.#queue.length - this.#queueHead > this.#limit) this.#forgetOldest();
  }

  /** Keys that changed after `index`, or undefined when that is no longer known. */
  keysSince(topic: string, index: number): Set<string> | undefined {
    const history = this.#topics.get(topic);
    if (index < Math.min(this.#horizon, history?.floor ?? this.#horizon)) return undefined;
    if (history === undefined) return new Set();
    let low = history.head;
    let high = history.indexes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (history.indexes[middle]! <= index) low = middle + 1;
      else high = middle;
    }
    return new Set(history.keys.slice(low));
  }

  /** Forgets everything: nothing is known of what happened up to `horizon`. */
  clear(horizon: number): void {
    this.#horizon = horizon;
    this.#topics.clear();
    this.#queue = [];
    this.#queueHead = 0;
  }

  #forgetOldest(): void {
    const topic = this.#queue[this.#queueHead++]!;
    if (this.#queueHead > this.#limit) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    const history = this.#topics.get(topic)!;
    history.floor = history.indexes[history.head++]!;
    this.#horizon = Math.max(this.#horizon, history.floor);
    if (history.head === history.indexes.length) {
      this.#topics.delete(topic);
    } else if (history.head > 64 && history.head * 2 > history.indexes.length) {
      history.indexes.splice(0, history.head);
      history.keys.splice(0, history.head);
      history.head = 0;
    }
  }
}
