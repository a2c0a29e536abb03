import * as fc from "fast-check";
import { expect, test } from "vitest";
import { bytes, feed, latin1 } from "../../test/fuzz/http-events.ts";
import { Framing, Method } from "./constants.ts";
import { HttpParser } from "./parser.ts";
import { HeadEdits, serializeHead, serializedBytesMax } from "./serialize.ts";

const RUNS = { numRuns: 200 };

const among = (characters: string) => fc.constantFrom(...characters.split(""));
const token = fc.string({ unit: among("abcXYZ09!#$%&'*+-.^`|~"), minLength: 1, maxLength: 12 })
  .filter((name) => !/^(te|via|host)$/i.test(name));
const value = fc.string({ unit: among("az09 ,;=\"\t\xe9\xff()<>"), maxLength: 30 });
const blank = fc.constantFrom("", " ", "\t", "  \t");
const field = fc.tuple(token, blank, value, blank).map(([name, a, text, b]) => `X-${name}:${a}${text}${b}`);
const target = fc.string({ unit: among("abz09/?&=%.-_~\\{|}\"<>^`[]@:"), maxLength: 40 }).map((t) => `/${t}`);
const content = fc.uint8Array({ maxLength: 60 }).map((b) => latin1(b));

const lengthBody = content.map((body) => ({ line: `Content-Length: ${body.length}`, wire: body, body, trailers: 0 }));
const extensions = fc.constantFrom("", ";a", ";a=b;c=\"d\\\"\"");
const chunkedBody = fc.tuple(fc.array(content.filter((c) => c !== "")), extensions, fc.nat(3))
  .map(([chunks, extension, trailers]) => ({
    line: "Transfer-Encoding: chunked",
    wire: chunks.map((c) => `${c.length.toString(16)}${extension}\r\n${c}\r\n`).join("")
      + `0\r\n${"T: t\r\n".repeat(trailers)}\r\n`,
    body: chunks.join(""), trailers,
  }));
const noBody = fc.constant({ line: "X-None: ", wire: "", body: "", trailers: 0 });
const message = fc.record({ method: token, target, fields: fc.array(field, { maxLength: 8 }),
  content: fc.oneof(noBody, lengthBody, chunkedBody) });

const wire = (m: typeof message extends fc.Arbitrary<infer T> ? T : never): string => {
  const lines = [`${m.method} ${m.target} HTTP/1.1`, "Host: h", ...m.fields, m.content.line];
  return `${lines.join("\r\n")}\r\n\r\n${m.content.wire}`;
};

/** Cuts a text at arbitrary places. */
const cut = (text: string, places: readonly number[]): Uint8Array[] => {
  const at = [...new Set(places.map((p) => p % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes(text.slice(from, at[i] ?? text.length)));
};

test("valid messages in arbitrary splits give their parts, in order", () => {
  fc.assert(fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), fc.array(fc.nat()), (messages, places) => {
    const text = messages.map(wire).join("");
    const seen = feed(cut(text, places), { direction: "request" });
    expect(seen.error).toBe("none");
    expect(seen.consumed).toBe(text.length);
    expect(seen.messages.map((m) => [m.start, m.body, m.ended, m.trailers.length])).toEqual(
      messages.map((m) => [`${m.method} ${m.target} 1.1`, m.content.body, true, m.content.trailers]));
    expect(seen.messages.map((m) => m.fields.slice(1, -1))).toEqual(messages.map((m) => m.fields.map((f) => {
      const colon = f.indexOf(":");
      return `${f.slice(0, colon)}: ${f.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")}`;
    })));
  }), RUNS);
});

test("a head that was serialised parses to the same head, and serialising it again changes nothing", () => {
  fc.assert(fc.property(message, (m) => {
    const once = reserialize(wire(m));
    const a = feed([bytes(wire(m))], { direction: "request" }).messages[0]!;
    const b = feed([bytes(once + m.content.wire)], { direction: "request" }).messages[0]!;
    expect(b).toEqual(a);
    expect(reserialize(once)).toBe(once);
  }), RUNS);
});

test("pitfall 38: whatever goes out is a head that the strict grammar accepts", () => {
  const loose = fc.tuple(fc.constantFrom("GET", "POST", "OPTIONS"), fc.constantFrom("/", "http://a/b", "*", "http://a"),
    fc.array(fc.constantFrom("Connection: close", "Connection: x, upgrade", "Upgrade: websocket", "X: 1",
      "TE: trailers", "Content-Length: 0", "Max-Forwards: 3", "Keep-Alive: x", "Via:1.0 x", "Expect: 100-continue")),
    fc.constantFrom("1.0", "1.1"), fc.constantFrom(-1, Framing.length, Framing.chunked, Framing.none));
  fc.assert(fc.property(loose, ([method, to, fields, version, framing]) => {
    const text = `${method} ${to} HTTP/${version}\r\nHost: a\r\n${fields.map((f) => `${f}\r\n`).join("")}\r\n`;
    const out = reserialize(text, { framing });
    if (out === "") return;
    const seen = feed([bytes(out)], { direction: "request" });
    expect(seen.error).toBe("none");
    expect(seen.messages.length).toBe(1);
  }), RUNS);
});

test("arbitrary bytes never throw, never take more than there is, and splits do not change the outcome", () => {
  const words = fc.constantFrom("GET ", "/ ", "HTTP/1.1", "\r\n", "\r\n\r\n", "Host: a\r\n", "\n", "\r", "0", "1\r\n",
    "Transfer-Encoding: chunked\r\n", "Content-Length: 2\r\n", "HTTP/1.1 200 OK\r\n", "X:", " ", ";");
  const salad = fc.array(fc.oneof(words, content)).map((parts) => parts.join(""));
  fc.assert(fc.property(salad, fc.array(fc.nat()), fc.constantFrom("request" as const, "response" as const),
    (text, places, direction) => {
      const one = feed([bytes(text)], { direction, asked: [Method.get] });
      const many = feed(cut(text, places), { direction, asked: [Method.get] });
      expect([many.messages, many.error]).toEqual([one.messages, one.error]);
    }), { numRuns: 500 });
});

function reserialize(text: string, changes: Partial<HeadEdits> = {}): string {
  let out = "";
  const parser = new HttpParser("request", {
    onHead: (head) => {
      const edits = Object.assign(new HeadEdits(), { via: false }, changes);
      const room = new Uint8Array(serializedBytesMax(head, edits));
      out = latin1(room, 0, serializeHead(room, 0, head, edits));
    }, onBody() {}, onTrailers() {}, onEnd() {} });
  parser.execute(bytes(text), 0, text.length);
  return out;
}
