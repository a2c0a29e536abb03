// hot: holds every request until its answer begins
/** Bytes of a request that may have to be sent again, gathered in a buffer lent by a pool. */
const FIRST_SIZE = 2_048;
const KEPT_MAX = 1_024;
/** A request larger than this is sent once only. */
export const REPLAY_MAX = 65_536;

const free: Uint8Array[] = [];

export class Replay {
  bytes: Uint8Array | undefined = undefined;
  size = 0;
  /** No longer complete: cannot be sent again. */
  spent = false;

  /** Room for `n` more bytes at `size`. */
  reserve(n: number): Uint8Array {
    const have = this.bytes;
    if (have !== undefined && have.length >= this.size + n) return have;
    if (have === undefined && n <= FIRST_SIZE) return (this.bytes = free.pop() ?? new Uint8Array(FIRST_SIZE));
    const grown = new Uint8Array(Math.max(2 * this.size, this.size + n));
    if (have !== undefined) {
      grown.set(have.subarray(0, this.size));
      giveBack(have);
    }
    return (this.bytes = grown);
  }

  add(bytes: Uint8Array, from: number, to: number): void {
    const out = this.reserve(to - from);
    out.set(bytes.subarray(from, to), this.size);
    this.size += to - from;
  }

  /** It will not be sent again. */
  spend(): void {
    this.spent = true;
    this.size = 0;
    if (this.bytes !== undefined) giveBack(this.bytes);
    this.bytes = undefined;
  }

  /** Ready for another request. */
  reset(): void {
    this.spend();
    this.spent = false;
  }
}

function giveBack(bytes: Uint8Array): void {
  if (bytes.length === FIRST_SIZE && free.length < KEPT_MAX) free.push(bytes);
}
