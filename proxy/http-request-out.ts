// hot: writes every request for the next hop
/** A request on its way out: what the parser accepted, written anew, and kept until it cannot be asked for again. */
import { Framing } from "../core/http/constants.ts";
import type { Fields } from "../core/http/fields.ts";
import type { Head } from "../core/http/head.ts";
import {
  CHUNK_END, CHUNK_HEADER_BYTES_MAX, HeadEdits, LAST_CHUNK, serializeHead, serializeTrailers, serializedBytesMax,
  trailersBytesMax, writeChunkHeader,
} from "../core/http/serialize.ts";
import type { HttpHop } from "./http-hop.ts";
import type { HttpUpstream } from "./http-upstream.ts";
import { REPLAY_MAX, Replay } from "./replay.ts";

const chunkHeader = new Uint8Array(CHUNK_HEADER_BYTES_MAX);

export class HttpRequestOut {
  readonly replay = new Replay();
  private readonly edits = new HeadEdits();
  private readonly upstream: HttpUpstream;
  private chunked = false;

  constructor(upstream: HttpUpstream) {
    this.upstream = upstream;
  }

  /** Writes the head; it goes out when a pipe is attached. */
  head(head: Head, hop: HttpHop): void {
    const { edits, replay } = this;
    this.chunked = head.framing === Framing.chunked;
    edits.framing = -1;
    edits.close = false;
    edits.keepAlive = false;
    edits.via = hop.viaOnRequest;
    edits.extra = hop.requestLines;
    const out = replay.reserve(serializedBytesMax(head, edits));
    replay.size = serializeHead(out, 0, head, edits);
  }

  /** Sends all there is so far to the upstream that was just attached. */
  flush(): void {
    const { replay } = this;
    this.upstream.write(replay.bytes!, 0, replay.size);
    if (replay.size > REPLAY_MAX) replay.spend();
  }

  body(bytes: Uint8Array, from: number, to: number): void {
    if (!this.chunked) return this.send(bytes, from, to);
    this.send(chunkHeader, 0, writeChunkHeader(chunkHeader, 0, to - from));
    this.send(bytes, from, to);
    this.send(CHUNK_END, 0, CHUNK_END.length);
  }

  trailers(trailers: Fields): void {
    const out = new Uint8Array(trailersBytesMax(trailers));
    this.send(out, 0, serializeTrailers(out, 0, trailers));
    this.chunked = false; // the last chunk is out
  }

  end(): void {
    if (this.chunked) this.send(LAST_CHUNK, 0, LAST_CHUNK.length);
  }

  private send(bytes: Uint8Array, from: number, to: number): void {
    const { replay, upstream } = this;
    if (!replay.spent) {
      if (!upstream.isAttached || replay.size + to - from <= REPLAY_MAX) replay.add(bytes, from, to);
      else replay.spend();
    }
    upstream.write(bytes, from, to);
  }
}
