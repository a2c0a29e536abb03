import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { complete } from "./complete.ts";

const names = async (words: string[], env = {}): Promise<string[]> =>
  (await complete(words, env)).map((line) => line.split("\t")[0]!);

describe("completion", () => {
  test("verbs and subcommands, with what is typed as prefix", async () => {
    expect(await names(["int"])).toEqual(["intention"]);
    expect(await names(["intention", ""])).toEqual(["create", "delete", "list", "check", "match"]);
    expect(await names(["acl", "token", "l"])).toEqual(["list"]);
    expect(await names(["nothing", "x"])).toEqual([]);
  });

  test("every candidate carries its description", async () => {
    expect(await complete(["serv"], {})).toEqual([
      expect.stringMatching(/^server\t\w/), expect.stringMatching(/^services\t\w/),
    ]);
  });

  test("options and their values, in both ways to write them", async () => {
    expect(await names(["services", "--fo"])).toEqual(["--format"]);
    expect(await names(["services", "--format", ""])).toEqual(["table", "json", "yaml"]);
    expect(await names(["services", "--format=j"])).toEqual(["--format=json"]);
    expect(await names(["dev", "--no"])).toEqual(["--no-ui"]);
    expect(await names(["completion", ""])).toEqual(["bash", "zsh", "fish"]);
  });

  test("paths are left to the shell", async () => {
    expect(await complete(["agent", "register", "--wait", "a.json", ""], {})).toEqual([":file"]);
    expect(await complete(["dev", "--data-dir", ""], {})).toEqual([":folder"]);
  });

  test("service names come from the running mesh, and nothing when there is none", async () => {
    const server = createServer((_, res) => res.end('{"web":[],"api":[],"db":[]}'));
    await new Promise<void>((done) => {
      server.listen(0, "127.0.0.1", done);
    });
    const env = { MESH_HTTP_ADDR: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    expect(await names(["intention", "create", ""], env)).toEqual(["api", "db", "web"]);
    expect(await names(["intention", "create", "api", "w"], env)).toEqual(["web"]);
    server.closeAllConnections();
    server.close();
    expect(await names(["intention", "create", ""], env)).toEqual([]);
  });
});
