// hot: a snapshot is tens of megabytes of text, and each command passes here once per replica
import { utf8Decode } from "../base/bytes.ts";

/** Grows as it is written to; lone surrogates become U+FFFD, as in TextEncoder. */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  constructor(sizeBytes = 1024) {
    this.#buffer = new Uint8Array(sizeBytes);
  }

  get length(): number {
    return this.#length;
  }

  write(text: string): void {
    this.#reserve(text.length * 3);
    const out = this.#buffer;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) {
      let c = text.charCodeAt(i);
      if (c < 0x80) {
        out[at++] = c;
        continue;
      }
      if (c >= 0xd800 && c <= 0xdfff) {
        const low = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
        const paired = c < 0xdc00 && low >= 0xdc00 && low <= 0xdfff;
        if (paired) i++;
        c = paired ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
      }
      if (c < 0x800) {
        out[at++] = 0xc0 | (c >> 6);
      } else {
        if (c < 0x10000) {
          out[at++] = 0xe0 | (c >> 12);
        } else {
          out[at++] = 0xf0 | (c >> 18);
          out[at++] = 0x80 | ((c >> 12) & 63);
        }
        out[at++] = 0x80 | ((c >> 6) & 63);
      }
      out[at++] = 0x80 | (c & 63);
    }
    this.#length = at;
  }

  /** A copy of exactly what was written. */
  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  #reserve(moreBytes: number): void {
    const needed = this.#length + moreBytes;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

export function encodeText(text: string): Uint8Array {
  const writer = new ByteWriter(text.length + 64);
  writer.write(text);
  return writer.bytes();
}

/** Arguments of one String.fromCharCode call: far below the engine's limit. */
const CHUNK = 4096;

/** UTF-8 to text; ASCII goes fast, anything else through the strict decoder; undefined where that refuses. */
export function decodeText(bytes: Uint8Array, from = 0, to = bytes.length): string | undefined {
  for (let i = from; i < to; i++) {
    if (bytes[i]! >= 0x80) return utf8Decode(bytes.subarray(from, to));
  }
  let out = "";
  for (let i = from; i < to; i += CHUNK) {
    const part = bytes.subarray(i, Math.min(i + CHUNK, to)) as unknown as number[];
    out += String.fromCharCode.apply(undefined, part);
  }
  return out;
}
