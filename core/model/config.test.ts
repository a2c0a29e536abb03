import { describe, expect, test } from "vitest";
import { MeshError } from "../base/errors.ts";
import { mergeConfig, parseConfigFiles } from "./config.ts";

const failure = (files: readonly [file: string, text: string][]): MeshError => {
  try {
    parseConfigFiles(files.map(([file, text]) => ({ file, text })));
  } catch (error) {
    if (error instanceof MeshError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("configuration files", () => {
  test("merge in order, YAML and JSON, later keys win", () => {
    const config = parseConfigFiles([
      { file: "10.yaml", text: "node: a\nhttp_port: 1\nleaf_ttl: 2h\n" },
      { file: "20.json", text: '{"http_port": 0, "retry_join": ["s1:8501"]}' },
      { file: "30.yaml", text: "# nothing\n" },
    ]);
    expect(config).toEqual({ node: "a", httpPort: 0, leafTtlMs: 7_200_000, retryJoin: ["s1:8501"] });
  });

  test("all mistakes of all files come at once, each with its place and the nearest known key", () => {
    const error = failure([
      ["a.yaml", "node: 7\nhttp_prot: 8500\n"],
      ["b.json", '{"grpc_port": 70000}'],
    ]);
    expect(error.code).toBe("INVALID_CONFIG");
    const places = error.message.split("\n").map((line) => line.split(": ")[0]);
    expect(places).toEqual(["a.yaml:1:7", "a.yaml:2:1", "b.json:1:15"]);
    expect(error.fix).toContain('did you mean "http_port"?');
  });

  test("leaf_ttl has the flag's bounds", () => {
    expect(parseConfigFiles([{ file: "a.yaml", text: "leaf_ttl: 1s\n" }])).toEqual({ leafTtlMs: 1_000 });
    expect(failure([["a.yaml", "leaf_ttl: 999ms\n"]]).message).toContain("a.yaml:1:11");
    expect(failure([["a.yaml", "leaf_ttl: 169h\n"]]).message).toContain("a.yaml:1:11");
  });

  test("a file that is no object and broken syntax are named", () => {
    expect(failure([["a.yaml", "- x\n"]]).message).toContain("a.yaml:1:1");
    expect(failure([["b.json", "{"]]).message).toContain("b.json:1");
  });

  test("an undefined key of the second leaves the first", () => {
    expect(mergeConfig({ node: "a" }, { node: undefined, bind: "b" })).toEqual({ node: "a", bind: "b" });
  });
});
