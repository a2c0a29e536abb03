import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { MeshError } from "../../core/base/errors.ts";
import { parseArgs } from "../parse.ts";
import { resolveCommand } from "../resolve.ts";
import { MESH } from "../tree/mesh.ts";
import type { Args } from "../args.ts";
import { defaultNodeName, httpListen, loadConfig, parseListen } from "./settings.ts";

const args = (...words: string[]): Promise<Args> => parseArgs(resolveCommand(MESH, words));

function folder(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), "mesh-config-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

describe("a daemon's settings", () => {
  test("files in name order, then the environment, then flags", async () => {
    const path = folder({
      "20.yaml": "node: from-20\nbind: 127.0.0.1\nhttp_port: 1\n",
      "10.json": '{"node": "from-10", "advertise": "10.0.0.1", "grpc_port": 5}',
      "notes.txt": "this: is not read",
    });
    mkdirSync(join(path, "services"));
    const env = { MESH_BIND: "127.0.0.2", MESH_HTTP_PORT: "2", MESH_HTTP_ADDR: "10.9.9.9:1" };
    expect(loadConfig(await args("agent", "--config", path, "--http-port", "3"), env)).toEqual({
      node: "from-20", advertise: "10.0.0.1", grpcPort: 5, bind: "127.0.0.2", httpPort: 3,
    });
  });

  test("one file by name; its mistakes and a wrong variable are refused", async () => {
    const path = folder({ "a.yaml": "http_prot: 1\n" });
    const load = async (env: Record<string, string>, ...words: string[]): Promise<MeshError> => {
      try {
        loadConfig(await args("server", ...words), env);
      } catch (error) {
        if (error instanceof MeshError) return error;
      }
      throw new Error("nothing was thrown");
    };
    const wrong = await load({}, "--config", join(path, "a.yaml"));
    expect(wrong.message).toContain(`${join(path, "a.yaml")}:1:1`);
    expect(wrong.fix).toContain('did you mean "http_port"?');
    expect((await load({ MESH_GRPC_PORT: "x" }, "--config", folder({}))).message).toContain("MESH_GRPC_PORT");
    expect((await load({}, "--config", folder({}), "--grpc-port", "70000")).message).toContain("--grpc-port");
  });

  test("where the HTTP API listens", () => {
    expect(httpListen({})).toEqual({ host: "127.0.0.1", port: 8500 });
    expect(httpListen({ httpAddr: "127.0.1.1:0" })).toEqual({ host: "127.0.1.1", port: 0 });
    expect(httpListen({ httpAddr: "127.0.1.1", httpPort: 7 })).toEqual({ host: "127.0.1.1", port: 7 });
    expect(httpListen({ httpAddr: "off" })).toBeUndefined();
    expect(parseListen("[::1]:9", { host: "x", port: 1 })).toEqual({ host: "::1", port: 9 });
    expect(() => parseListen("a:b", { host: "x", port: 1 })).toThrow(MeshError);
  });

  test("a host name becomes a label", () => {
    const names = ["Web-1.example.com", "my_host", "-", ""].map((host) => defaultNodeName(host));
    expect(names).toEqual(["web-1", "my-host", "host", "host"]);
  });
});
