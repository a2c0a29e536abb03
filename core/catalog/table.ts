import type { StateHash } from "./hash.ts";

/** Told of each write, with undefined for "was not" and "is no more". */
export type RowObserver<T> = (key: string, old: T | undefined, row: T | undefined) => void;

/** Code-unit order, the same on every machine (a locale's would not be). */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Rows by key, hashed as they are written. Rows are never changed in place. */
export class Table<T extends object> {
  readonly name: string;
  readonly #rows = new Map<string, T>();
  readonly #hash: StateHash;
  readonly #observer: RowObserver<T>;

  constructor(name: string, hash: StateHash, observer: RowObserver<T> = () => undefined) {
    this.name = name;
    this.#hash = hash;
    this.#observer = observer;
  }

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): T | undefined {
    return this.#rows.get(key);
  }

  put(key: string, row: T): void {
    const old = this.#rows.get(key);
    if (old !== undefined) this.#hash.remove(this.name, key, JSON.stringify(old));
    this.#hash.add(this.name, key, JSON.stringify(row));
    this.#rows.set(key, row);
    this.#observer(key, old, row);
  }

  /** False when there was none. */
  delete(key: string): boolean {
    const old = this.#rows.get(key);
    if (old === undefined) return false;
    this.#hash.remove(this.name, key, JSON.stringify(old));
    this.#rows.delete(key);
    this.#observer(key, old, undefined);
    return true;
  }

  /** In order of writing: for full scans whose result does not depend on order, and for first in, first out. */
  entries(): IterableIterator<[string, T]> {
    return this.#rows.entries();
  }

  values(): IterableIterator<T> {
    return this.#rows.values();
  }

  /** Ascending by key. */
  sortedKeys(): string[] {
    return [...this.#rows.keys()].sort(byText);
  }

  sorted(): T[] {
    return this.sortedKeys().map((key) => this.#rows.get(key)!);
  }
}

/** Rows grouped by a text, for secondary indexes; empty groups vanish. */
export class Groups<T> {
  readonly #groups = new Map<string, Map<string, T>>();

  get(group: string): ReadonlyMap<string, T> | undefined {
    return this.#groups.get(group);
  }

  keys(): IterableIterator<string> {
    return this.#groups.keys();
  }

  get size(): number {
    return this.#groups.size;
  }

  set(group: string, key: string, row: T): void {
    let rows = this.#groups.get(group);
    if (rows === undefined) this.#groups.set(group, (rows = new Map()));
    rows.set(key, row);
  }

  delete(group: string, key: string): boolean {
    const rows = this.#groups.get(group);
    if (rows?.delete(key) !== true) return false;
    if (rows.size === 0) this.#groups.delete(group);
    return true;
  }

  /** The group's rows, ascending by key. */
  sorted(group: string): T[] {
    const rows = this.#groups.get(group);
    if (rows === undefined) return [];
    return [...rows.keys()].sort(byText).map((key) => rows.get(key)!);
  }
}
