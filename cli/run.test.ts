import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { CODES } from "../core/base/codes.ts";
import { MeshError } from "../core/base/errors.ts";
import { asMeshError, renderError } from "./errors.ts";
import { parseArgs } from "./parse.ts";
import { resolveCommand } from "./resolve.ts";
import { runCli } from "./run.ts";
import { type CommandSpec, optionsOf } from "./spec.ts";
import { createStyle } from "./terminal.ts";
import { MESH, UNBUILT } from "./tree/mesh.ts";

const PLAIN = createStyle(false, false);

async function cli(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const io = {
    env: {}, stdin: Readable.from([]), signal: new AbortController().signal,
    stdout: { write: (text: string) => (out += text) }, stderr: { write: (text: string) => (err += text) },
  };
  const code = await runCli(words, io);
  return { code, out, err };
}

function allCommands(spec: CommandSpec = MESH, path: readonly string[] = ["mesh"]): [string, CommandSpec][] {
  return [[path.join(" "), spec], ...(spec.subcommands ?? []).flatMap((c) => allCommands(c, [...path, c.name]))];
}

describe("the command tree", () => {
  test.each(allCommands())("%s is complete", async (name, spec) => {
    expect(spec.summary).not.toBe("");
    expect(spec.load !== undefined || (spec.subcommands ?? []).length > 0).toBe(true);
    const names = optionsOf(spec).map((o) => o.name);
    expect(new Set(names).size).toBe(names.length);
    const shorts = optionsOf(spec).flatMap((o) => o.short ?? []);
    expect(new Set(shorts).size).toBe(shorts.length);
    expect(UNBUILT.has(name.replace(/^mesh /, ""))).toBe(false);
    if (spec.load !== undefined) expect(typeof (await spec.load()).run).toBe("function");
  });

  test("every example is a command line that the tree knows", async () => {
    for (const [, spec] of allCommands()) {
      for (const { command } of spec.examples ?? []) {
        const quoted = /mesh ([^|<>]*)/.exec(command)![1]!.match(/'[^']*'|\S+/g) ?? [];
        const words = quoted.map((word) => word.replaceAll("'", ""));
        const resolved = resolveCommand(MESH, words);
        expect(resolved.spec.load, command).toBeDefined();
        await parseArgs(resolved);
      }
    }
  });

  test("mesh dev takes exactly the flags that others rely on", () => {
    const dev = MESH.subcommands!.find((c) => c.name === "dev")!;
    const names = dev.options!.map((o) => (o.onByDefault === true ? `no-${o.name}` : o.name));
    expect(names).toEqual(expect.arrayContaining([
      "data-dir", "http-port", "dns-port", "grpc-port", "gossip-port", "inbound-port", "no-ui", "ready-file",
    ]));
  });
});

describe("a command line that is wrong", () => {
  test("a mistyped verb, subcommand and flag get the nearest one, exit code 2", async () => {
    const verb = await cli("sevrices");
    expect([verb.code, verb.err]).toEqual(
      [2, 'Error: "sevrices" is not a command of mesh\n  fix: did you mean: mesh services\n']);
    expect((await cli("agent", "regster", "x.json")).err).toContain("did you mean: mesh agent register");
    expect((await cli("intention", "craete", "a", "b")).err).toContain("did you mean: mesh intention create");
    expect((await cli("services", "--fromat", "json")).err).toContain("did you mean --format?");
    expect((await cli("services", "--format", "jsn")).err).toContain("did you mean json?");
  });

  test("missing and surplus arguments are named", async () => {
    expect((await cli("instances")).err).toContain("needs SERVICE");
    expect((await cli("instances", "a", "b")).err).toContain('"b" is one argument too many');
    const valueless = await cli("services", "--token-file");
    expect([valueless.code, valueless.err]).toEqual([2, expect.stringContaining("--token-file needs a value")]);
    expect((await cli("--format", "json", "version")).out).toContain('"node"');
    expect((await cli("dev", "--http-port", "x")).err).toContain("--http-port must be a whole number");
    expect((await cli("acl", "token")).err).toContain("needs a subcommand: create, list, delete");
  });

  test.each([["topology"], ["metrics", "web"]])("%s --since beyond what is kept is refused", async (...words) => {
    const { code, err } = await cli(...words, "--since", "61m", "--http-addr", "unix:/nonexistent/agent.sock");
    expect([code, err]).toEqual([2, expect.stringContaining("--since 61m goes back further than what is kept: 1h")]);
    expect(err).toContain("fix: --since 1h");
    expect((await cli(...words, "--since", "1h", "--http-addr", "unix:/nonexistent/agent.sock")).code).toBe(3);
  });

  test("a designed verb that is not built says so, exit code 1, and no help lists it", async () => {
    const top = await cli("top", "--format", "json");
    expect([top.code, JSON.parse(top.err).error.code]).toEqual([1, "NOT_BUILT"]);
    expect((await cli("agent", "drain")).err).toContain("mesh agent drain is planned");
    expect((await cli("--help")).out).not.toMatch(/^ {2}(top|tap|doctor|why) /m);
  });
});

describe("help", () => {
  test("examples come first; `help X`, `X --help` and `X -h` agree", async () => {
    const one = await cli("intention", "create", "--help");
    expect(one.out.indexOf("Examples")).toBeLessThan(one.out.indexOf("Usage"));
    expect((await cli("help", "intention", "create")).out).toBe(one.out);
    expect((await cli("intention", "create", "-h")).out).toBe(one.out);
    expect(one.code).toBe(0);
  });

  test("exit code 130 is told apart from a daemon's end; leaf-ttl names both bounds", async () => {
    expect((await cli("--help")).out).toContain("130 interrupted (a daemon that is stopped in order ends with 0)");
    const server = (await cli("server", "--help")).out.replaceAll(/\s+/g, " ");
    expect(server).toContain("certificates, 1s to 168h (default 24h)");
  });

  test("no word at all shows the help; a help for nothing known fails", async () => {
    expect((await cli()).out).toContain("mesh dev");
    expect((await cli("help", "sevrices")).err).toContain("did you mean: mesh services");
  });

  test("help errors lists the closed codes", async () => {
    const all = JSON.parse((await cli("help", "errors", "--format", "json")).out) as { code: string }[];
    expect(all.map((row) => row.code)).toEqual(Object.keys(CODES));
    expect((await cli("help", "errors", "not_allowed")).out).toContain("mesh acl node allow");
    expect((await cli("help", "errors", "NOT_ALOWED")).err).toContain("did you mean NOT_ALLOWED?");
  });

  test("version in three formats", async () => {
    expect((await cli("version")).out).toMatch(/^mesh \d+\.\d+\.\d+ \(Node 26/);
    expect(JSON.parse((await cli("--version", "--format", "json")).out)).toHaveProperty("node");
    expect((await cli("version", "--format=yaml")).out).toMatch(/^version: /);
  });
});

describe("errors", () => {
  test("say what, where and the fix", () => {
    const error = new MeshError("INVALID", "first\nsecond", { where: "a.json:1:2", fix: "one\ntwo" });
    expect(renderError(error, "table", PLAIN)).toBe(
      "Error: first\n       second\n  at: a.json:1:2\n  fix: one\n       two\n");
    expect(JSON.parse(renderError(error, "json", PLAIN))).toEqual(
      { error: { code: "INVALID", message: "first\nsecond", fix: "one\ntwo", where: "a.json:1:2" } });
  });

  test("the operating system's become words", () => {
    const enoent = Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT", syscall: "open", path: "/x" });
    expect(asMeshError(enoent).message).toBe("/x: there is no such file or folder");
    const inUse = Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE", syscall: "listen" });
    expect(asMeshError(inUse).code).toBe("ADDRESS_IN_USE");
    expect(asMeshError(new TypeError("oops")).code).toBe("INTERNAL");
  });

  test("an API that is not there: exit code 3 with what was tried", async () => {
    const { code, err } = await cli("nodes", "--http-addr", "unix:/nonexistent/agent.sock");
    expect(code).toBe(3);
    expect(err).toBe("Error: there is no socket at unix:/nonexistent/agent.sock\n"
      + "  fix: start it (mesh dev, or mesh agent), or set MESH_HTTP_ADDR to where it listens\n");
  });
});
