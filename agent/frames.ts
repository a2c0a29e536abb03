/** Frames of the control socket: a 4-byte big-endian length, then that many bytes of JSON (core/model/control.ts). */

/** A host with thousands of endpoints compiles to a few MB. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const HEAD = 4;

/** One message as its frame. */
export function encodeFrame(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const frame = Buffer.allocUnsafe(HEAD + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, HEAD);
  return frame;
}

/** Cuts a byte stream into messages. */
export class FrameReader {
  #parts: Buffer[] = [];
  #size = 0;

  /** The messages that are complete now. Throws on a frame that is too long or no JSON: the peer is broken. */
  push(chunk: Buffer): unknown[] {
    this.#parts.push(chunk);
    this.#size += chunk.length;
    const messages: unknown[] = [];
    for (let body = this.#take(); body !== undefined; body = this.#take()) {
      messages.push(JSON.parse(body.toString("utf8")));
    }
    return messages;
  }

  #take(): Buffer | undefined {
    if (this.#size < HEAD) return undefined;
    if (this.#parts[0]!.length < HEAD) this.#join();
    const length = this.#parts[0]!.readUInt32BE(0);
    if (length > FRAME_BYTES_MAX) throw new Error(`a frame of ${length} bytes is too long`);
    if (this.#size < HEAD + length) return undefined;
    this.#join();
    const whole = this.#parts[0]!;
    const rest = whole.subarray(HEAD + length);
    this.#parts = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
    return whole.subarray(HEAD, HEAD + length);
  }

  #join(): void {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)];
  }
}
