import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { MeshError } from "../core/base/errors.ts";
import { formatApiAddress } from "../io/client-address.ts";
import { createArgs } from "./args.ts";
import { type Context, createContext, readInput, tokenFrom } from "./context.ts";

function context(values: Record<string, unknown>, env: Record<string, string> = {}): Context {
  const silent = { write: () => undefined };
  const signal = new AbortController().signal;
  const io = { env, stdin: Readable.from(["typed"]), stdout: silent, stderr: silent, signal };
  return createContext(io, createArgs(values));
}

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "mesh-context-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "token"), text);
  return join(folder, "token");
}

describe("what a command runs with", () => {
  test("the address: flag, then environment, then the default port", () => {
    const address = (values: Record<string, unknown>, env?: Record<string, string>): string =>
      formatApiAddress(context(values, env).address());
    expect(address({ "http-addr": "10.0.0.1:1" }, { MESH_HTTP_ADDR: "10.0.0.2:2" })).toBe("http://10.0.0.1:1");
    expect(address({}, { MESH_HTTP_ADDR: "10.0.0.2:2" })).toBe("http://10.0.0.2:2");
    expect(() => address({ "http-addr": "ftp://x" })).toThrow(MeshError);
  });

  test("the token: --token-file, MESH_TOKEN, MESH_TOKEN_FILE; a file without one is an error", () => {
    const one = file("one\n");
    expect(tokenFrom({ MESH_TOKEN: "t" }, one)).toBe("one");
    expect(tokenFrom({ MESH_TOKEN: "t", MESH_TOKEN_FILE: one }, undefined)).toBe("t");
    expect(tokenFrom({ MESH_TOKEN: "", MESH_TOKEN_FILE: one }, undefined)).toBe("one");
    expect(tokenFrom({}, undefined)).toBeUndefined();
    expect(() => tokenFrom({}, file("\n"))).toThrow("holds no token");
    expect(() => tokenFrom({ MESH_TOKEN: "a\nb: c" }, undefined)).toThrow("characters that no token has");
    expect(() => tokenFrom({ MESH_TOKEN_FILE: "/nonexistent/t" }, undefined)).toThrow("cannot be read");
  });

  test("the namespace, and standard input", async () => {
    expect(context({}).namespace).toBe("default");
    expect(context({}, { MESH_NAMESPACE: "shop" }).namespace).toBe("shop");
    expect(context({ namespace: "a" }, { MESH_NAMESPACE: "shop" }).namespace).toBe("a");
    expect(await readInput(context({}), "-")).toBe("typed");
  });
});
