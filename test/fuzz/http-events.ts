/** What a parser reports, as data: the common ground of the parser's table, property and fuzz tests. */
import { HTTP_ERRORS, HttpError } from "../../core/http/errors.ts";
import type { Fields } from "../../core/http/fields.ts";
import type { Head } from "../../core/http/head.ts";
import { Method } from "../../core/http/constants.ts";
import type { MethodId } from "../../core/http/constants.ts";
import { HttpParser } from "../../core/http/parser.ts";

export interface SeenMessage {
  start: string;
  host: string;
  framing: number;
  keepAlive: boolean;
  upgrade: boolean;
  /** `name: value`, a `-` before those that are not forwarded. */
  fields: string[];
  body: string;
  trailers: string[];
  ended: boolean;
}

export interface Seen {
  readonly messages: SeenMessage[];
  /** Name of the error, or "none". */
  readonly error: string;
  /** Bytes taken before the parser stopped for good. */
  readonly consumed: number;
  readonly switched: boolean;
}

export interface FeedOptions {
  readonly direction: "request" | "response";
  /** Responses: the methods asked, one an answer; the last one repeats. */
  readonly asked?: readonly MethodId[];
  readonly upgradeAsked?: boolean;
  /** Tell the parser that the connection ended after the last piece. */
  readonly end?: boolean;
}

const ERROR_NAMES = Object.keys(HttpError);

/** Latin-1 text as bytes. */
export const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
export const latin1 = (buf: Uint8Array, from = 0, to = buf.length): string =>
  Buffer.from(buf.buffer, buf.byteOffset + from, to - from).toString("latin1");

const list = (fields: Fields): string[] =>
  Array.from({ length: fields.count }, (_, i) =>
    `${fields.isDropped(i) ? "-" : ""}${fields.name(i)}: ${fields.value(i)}`);

function describe(head: Head): SeenMessage {
  return {
    start: head.isRequest
      ? `${head.methodName()} ${latin1(head.buf, head.targetFrom, head.targetTo)} 1.${head.versionMinor}`
      : `${head.status} ${head.reason()} 1.${head.versionMinor}`,
    host: head.host(), framing: head.framing, keepAlive: head.keepAlive, upgrade: head.upgrade,
    fields: list(head), body: "", trailers: [], ended: head.interim,
  };
}

/** Feeds the pieces as a connection would, and asserts on the way that no call takes what it was not given. */
export function feed(pieces: readonly Uint8Array[], options: FeedOptions): Seen {
  const messages: SeenMessage[] = [];
  const asked = options.asked ?? [Method.get];
  let answered = 0;
  const parser = new HttpParser(options.direction, {
    onHead: (head) => void messages.push(describe(head)),
    onBody: (buf, from, to) => {
      if (from >= to || to > buf.length) throw new Error(`a body piece from ${from} to ${to} of ${buf.length}`);
      messages.at(-1)!.body += latin1(buf, from, to);
    },
    onTrailers: (trailers) => void (messages.at(-1)!.trailers = list(trailers)),
    onEnd: () => {
      messages.at(-1)!.ended = true;
      answered++;
    },
  });
  const expect = (): void => {
    if (options.direction === "response") {
      parser.expectResponse(asked[Math.min(answered, asked.length - 1)]!, options.upgradeAsked ?? false);
    }
  };
  expect();
  let consumed = 0;
  for (const piece of pieces) {
    let at = 0;
    for (let calls = 0; calls <= 2 * piece.length + 2; calls++) {
      const before = answered;
      // Margins of rubbish around the piece: a parser that reads outside its range is found out.
      const padded = new Uint8Array(piece.length + 8).fill(0x5a);
      padded.set(piece, 4);
      const next = parser.execute(padded, 4 + at, 4 + piece.length) - 4;
      if (next < at || next > piece.length) throw new Error(`took up to ${next} of ${piece.length} from ${at}`);
      const stuck = next === at && answered === before;
      at = next;
      if (answered > before && parser.head.keepAlive) expect();
      if (parser.error !== HttpError.none || parser.switched || stuck) break;
      if (at === piece.length && !parser.inBody) break;
    }
    consumed += at;
    if (parser.error !== HttpError.none || parser.switched || at < piece.length) break;
  }
  const stopped = parser.error !== HttpError.none || parser.switched;
  if (options.end === true && !stopped) parser.finish();
  return { messages, error: ERROR_NAMES[parser.error]!, consumed, switched: parser.switched };
}

export const whole = (text: string): Uint8Array[] => [bytes(text)];
export const byteByByte = (text: string): Uint8Array[] => Array.from(bytes(text), (c) => Uint8Array.of(c));

export const halves = (text: string): Uint8Array[] =>
  [bytes(text.slice(0, text.length >> 1)), bytes(text.slice(text.length >> 1))];

/** Status that a client would get for that error name. */
export const statusOf = (name: string): number => HTTP_ERRORS[ERROR_NAMES.indexOf(name)]!.status;

/** The same outcome whole, byte by byte and in halves; messages do not change when rubbish follows them. */
export function threeWays(text: string, options: FeedOptions): Seen {
  const seen = feed(whole(text), options);
  const outcome = ({ messages, error, switched }: Seen): string => JSON.stringify({ messages, error, switched });
  for (const [name, cut] of Object.entries({ byteByByte: byteByByte(text), halves: halves(text) })) {
    const other = feed(cut, options);
    if (outcome(other) !== outcome(seen)) throw new Error(`${name}: ${outcome(other)}\nwhole: ${outcome(seen)}`);
  }
  if (seen.error === "none" && seen.messages.every((m) => m.ended) && options.end !== true) {
    const followed = feed(whole(`${text}\0\x01 rubbish`), options);
    const same = JSON.stringify(followed.messages) === JSON.stringify(seen.messages);
    if (!same) throw new Error("trailing data changed the messages before it");
  }
  return seen;
}
