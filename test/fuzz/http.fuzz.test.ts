/**
 * Mutation fuzzing of the HTTP/1.1 parser for FUZZ_SECONDS (default 5). Each run prints its seed; FUZZ_SEED repeats it.
 * Oracle: nothing throws, nothing is taken beyond what was given, any split gives the same outcome, and a head that was
 * accepted goes out as one that is accepted again with the same framing (pitfalls 38 to 41).
 */
import { expect, test } from "vitest";
import { seededRandom } from "../../core/base/random.ts";
import { Method } from "../../core/http/constants.ts";
import { HttpParser } from "../../core/http/parser.ts";
import { normalisePath } from "../../core/http/path.ts";
import { HeadEdits, serializeHead, serializedBytesMax } from "../../core/http/serialize.ts";
import { sniffProtocol } from "../../core/http/sniff.ts";
import { bytes, feed, latin1 } from "./http-events.ts";
import { loadVectors } from "./llhttp-vectors.ts";

const SEEDS = [
  "GET /a?b HTTP/1.1\r\nHost: a:80\r\nUser-Agent: x\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: x\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX:y\r\n\r\n",
  "PUT http://a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
  "GET /ws HTTP/1.1\r\nHost: [::1]:1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\nVia: 1.1 x\r\nX-Mesh-Source: no\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: 5\r\n\r\nok",
  "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
  "HTTP/1.0 204\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
];
const WORDS = ["\r\n", "\n", "\r", "\0", " ", "\t", ":", ";", ",", "0", "fffffffffffff", "chunked", "\xff", "\"", "\\",
  "%00", "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "Host: b\r\n", "\r\n\r\n",
  "HTTP/1.1"];

const seconds = Number(process.env["FUZZ_SECONDS"] ?? "5");
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);

test(`HTTP/1.1 parser, mutated for ${seconds} s (FUZZ_SEED=${seed})`, { timeout: seconds * 1000 + 30_000 }, () => {
  console.log(`FUZZ_SEED=${seed}`);
  const random = seededRandom(seed);
  const corpus = [...SEEDS, ...(loadVectors() ?? []).map((v) => v.input).filter((text) => text.length < 1000)];
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const until = performance.now() + seconds * 1000;
  let rounds = 0;
  let accepted = 0;
  while (performance.now() < until) {
    let text = pick(corpus);
    const word = (): string => pick(random() < 0.2 ? corpus : WORDS);
    for (let n = Math.floor(random() * 5); n >= 0; n--) text = mutate(text, random, word);
    accepted += check(text.slice(0, 4000), random);
    rounds++;
  }
  console.log(`${rounds} inputs, ${accepted} with a valid head`);
  // A fuzzer whose inputs are all refused at the door tests the door only.
  expect(accepted).toBeGreaterThan(rounds / 50);
});

function mutate(text: string, random: () => number, word: () => string): string {
  const at = Math.floor(random() * (text.length + 1));
  const span = Math.floor(random() ** 3 * 40);
  switch (Math.floor(random() * 5)) {
    case 0: return text.slice(0, at) + word() + text.slice(at);
    case 1: return text.slice(0, at) + text.slice(at + span);
    case 2: return text.slice(0, at) + String.fromCharCode(Math.floor(random() * 256)) + text.slice(at + 1);
    case 3: return text.slice(0, at) + text.slice(at, at + span).repeat(2) + text.slice(at + span);
    default: return text.slice(0, at) + word() + text.slice(at + span);
  }
}

/** Returns 1 when the input had a valid head. */
function check(text: string, random: () => number): number {
  const direction = text.startsWith("HTTP/") ? "response" : "request";
  const asked = [random() < 0.2 ? Method.head : Method.get];
  const options = { direction, asked, upgradeAsked: random() < 0.5 } as const;
  const one = feed([bytes(text)], options);
  const at = Math.floor(random() * (text.length + 1));
  const many = random() < 0.2 ? feed(Array.from(bytes(text), (c) => Uint8Array.of(c)), options)
    : feed([bytes(text.slice(0, at)), bytes(text.slice(at))], options);
  expect({ ...many, consumed: 0 }, JSON.stringify(text)).toEqual({ ...one, consumed: 0 });
  sniffProtocol(bytes(text), 0, text.length);
  normalisePath(bytes(text), 0, Math.min(text.length, 200));
  if (one.messages.length === 0) return 0;
  forwards(text, options);
  return 1;
}

/** What would go to the next hop is accepted there and read the same. */
function forwards(text: string, options: Parameters<typeof feed>[1]): void {
  let out = "";
  let framing = -1;
  const parser = new HttpParser(options.direction, {
    onHead: (head) => {
      const edits = new HeadEdits();
      const room = new Uint8Array(serializedBytesMax(head, edits));
      out = latin1(room, 0, serializeHead(room, 0, head, edits));
      framing = head.framing;
      parser.pause();
    }, onBody() {}, onTrailers() {}, onEnd() {} });
  parser.expectResponse(options.asked![0]!, options.upgradeAsked!);
  const input = bytes(text);
  parser.execute(input, 0, input.length);
  const seen = feed([bytes(out)], options);
  const where = `${JSON.stringify(text)} went out as ${JSON.stringify(out)}`;
  expect(seen.error, where).toBe("none");
  expect(seen.messages.length, where).toBe(1);
  expect(seen.messages[0]!.framing, where).toBe(framing);
}
