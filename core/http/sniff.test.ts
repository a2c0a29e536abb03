import { expect, test } from "vitest";
import { bytes } from "../../test/fuzz/http-events.ts";
import { normalisePath } from "./path.ts";
import { Sniff, sniffProtocol } from "./sniff.ts";

const sniff = (text: string): number => sniffProtocol(bytes(text), 0, text.length);
const path = (text: string): string | undefined => normalisePath(bytes(text), 0, text.length);

test.each([
  ["GET / HTTP/1.1\r\n", Sniff.http1], ["M-SEARCH * HTTP/1.1\r\n", Sniff.http1], ["GET / HTTP/1.", Sniff.http1],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Sniff.http2], ["\x16\x03\x01\x02", Sniff.tls], ["\x16\x03\x03", Sniff.tls],
  ["\x16\x02", Sniff.other], ["GET key\r\n", Sniff.other], ["EHLO mail.example\r\n", Sniff.other],
  ["SSH-2.0-OpenSSH_9.2\r\n", Sniff.other], ["*1\r\n$4\r\nPING\r\n", Sniff.other], ["\0\0\0\x08", Sniff.other],
  ["GET / HTTP/2.0\r\n", Sniff.other], ["GET / FTP", Sniff.other], ["A".repeat(40), Sniff.other],
  [`GET /${"a".repeat(5000)}`, Sniff.http1], [`FOO /${"a".repeat(5000)}`, Sniff.other],
])("the first bytes %j speak %i, and every shorter prefix says so or asks for more", (text, expected) => {
  expect(sniff(text)).toBe(expected);
  for (let n = 0; n < Math.min(text.length, 64); n++) {
    expect([expected, Sniff.needMore]).toContain(sniff(text.slice(0, n)));
  }
});

test.each([
  ["/", "/"], ["/a/b", "/a/b"], ["/a/b?c=/../d", "/a/b"], ["", "/"], ["?x", "/"], ["*", "*"],
  ["/a//b", "/a/b"], ["//a", "/a"], ["/a/./b", "/a/b"], ["/a/../b", "/b"], ["/../../etc", "/etc"], ["/a/..", "/"],
  ["/a/b/.", "/a/b/"], ["/a/", "/a/"], ["/%61dmin", "/admin"], ["/a%2Fb", "/a/b"], ["/x%2f..%2Fadmin", "/admin"],
  ["/x/%2e%2E/admin", "/admin"], ["/x\\..\\admin", "/admin"], ["/x%5c..%5Cadmin", "/admin"], ["/a%252Fb", "/a%2Fb"],
  ["/.hidden", "/.hidden"], ["/a%20b", "/a b"], ["/%00", undefined], ["/a%0d%0a", undefined], ["/a%", undefined],
  ["/a%4", undefined], ["/a%zz", undefined], ["/%7f", undefined],
])("pitfall 42: the path %j has the one form %j", (text, expected) => {
  expect(path(text)).toBe(expected);
});
