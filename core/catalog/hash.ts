// hot: runs over the text of each row that is written or replaced
/**
 * A hash of a set of rows that is kept up to date row by row: each row hashes to 64 bits, the set's hash is their sum,
 * so neither the order of writing nor that of a map has a part in it. It finds replicas that went apart by a fault;
 * it is no defence against somebody who makes collisions on purpose.
 */
export class StateHash {
  #low = 0;
  #high = 0;

  add(table: string, key: string, row: string): void {
    this.#change(table, key, row, 1);
  }

  remove(table: string, key: string, row: string): void {
    this.#change(table, key, row, -1);
  }

  /** 16 hex digits. */
  toString(): string {
    return (this.#high >>> 0).toString(16).padStart(8, "0") + (this.#low >>> 0).toString(16).padStart(8, "0");
  }

  #change(table: string, key: string, row: string, sign: 1 | -1): void {
    const text = `${table}\n${key}\n${row}`;
    let a = 0x811c9dc5;
    let b = 0x9e3779b9;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      a = Math.imul(a ^ c, 0x01000193);
      b = Math.imul(b ^ c, 0x85ebca6b);
      b ^= b >>> 13;
    }
    a = Math.imul(a ^ (a >>> 16), 0xc2b2ae35);
    b = Math.imul(b ^ (b >>> 15), 0x27d4eb2f);
    this.#low = (this.#low + sign * (a ^ (b >>> 16))) | 0;
    this.#high = (this.#high + sign * (b ^ (a >>> 13))) | 0;
  }
}
