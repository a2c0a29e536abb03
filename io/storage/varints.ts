/** A place in a LevelDB table file, in bytes. */
export interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Reads LevelDB's varints (7 bits a byte, lowest first). Beyond the end all numbers are NaN, which nothing accepts. */
export class Varints {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get done(): boolean {
    return !(this.at < this.#bytes.length);
  }

  next(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.at++] ?? NaN;
      value += (byte % 128) * scale;
      if (!(byte >= 128)) return value;
    }
  }

  /** A byte string with its length before it. */
  skipBytes(): void {
    const size = this.next();
    this.at += size;
  }

  handle(): Handle {
    return { offset: this.next(), size: this.next() };
  }
}
