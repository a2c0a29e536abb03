import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../io/crypto.ts";
import { fromBase64 } from "../base/bytes.ts";
import { createSealKey, openSecret, parseSealKey, sealSecret } from "./sealing.ts";
import type { SecretKind } from "./sealing.ts";

const text = nodeCrypto.generateKeyPair("ec-p256").privateKeyPem;
const keyText = createSealKey(nodeCrypto);
const sealKey = parseSealKey(keyText);
const sealed = sealSecret(nodeCrypto, sealKey, { what: "ca-key", clusterId: "c1", text });
const open = (change: { what?: SecretKind; clusterId?: string; sealed?: string; key?: Uint8Array } = {}): string =>
  openSecret(nodeCrypto, change.key ?? sealKey, { what: "ca-key", clusterId: "c1", sealed, ...change });
const REFUSED = expect.objectContaining({ code: "INVALID_CONFIG", fix: expect.stringContaining("seal.key") as string });

describe("pitfall 35: the CA key lies sealed", () => {
  test("it opens with its key, kind and cluster", () => {
    expect(open()).toBe(text);
  });

  test("what lies there shows nothing of it, and never twice the same", () => {
    const raw = Buffer.from(fromBase64(sealed)!).toString("latin1");
    expect(raw).not.toContain("PRIVATE KEY");
    for (const line of text.split("\n").slice(1, -2)) expect(sealed + raw).not.toContain(line);
    expect(sealSecret(nodeCrypto, sealKey, { what: "ca-key", clusterId: "c1", text })).not.toBe(sealed);
  });

  test("another key, kind or cluster, or a changed byte, is refused with the fix", () => {
    expect(() => open({ key: parseSealKey(createSealKey(nodeCrypto)) })).toThrow(REFUSED);
    expect(() => open({ what: "gossip-key" })).toThrow(REFUSED);
    expect(() => open({ clusterId: "c2" })).toThrow(REFUSED);
    for (const broken of ["", "AAAA", sealed.slice(0, 30), `B${sealed.slice(1)}`.replace(/^BB/, "BC"), "no base64!"]) {
      expect(() => open({ sealed: broken })).toThrow(REFUSED);
    }
  });
});

describe("the seal key", () => {
  test("is 32 bytes of base64, with or without a line end", () => {
    expect(sealKey).toHaveLength(32);
    expect(parseSealKey(keyText.trim())).toEqual(sealKey);
  });

  test("a text that is none is refused without being shown", () => {
    for (const bad of ["", "c2hvcnQ=", `${keyText.trim()}AAAA`, "hunter2!"]) {
      expect(() => parseSealKey(bad)).toThrow(REFUSED);
      expect(() => parseSealKey(bad)).not.toThrow(/hunter2/);
    }
  });
});
