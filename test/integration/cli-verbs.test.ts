/** The command line against a running mesh, as a person and a script use it. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { runCli } from "../../cli/run.ts";
import { type CommandResult, type Daemon, Lab, ROOT, service } from "./harness.ts";

let lab: Lab;
let daemon: Daemon;
const json = async (...args: string[]): Promise<unknown> => JSON.parse(await lab.ok([...args, "--format", "json"]));
const fail = async (...args: string[]): Promise<CommandResult> => {
  const result = await lab.cli(args);
  expect(result.code, result.stdout).not.toBe(0);
  return result;
};

/** The same without a process of its own: many verbs, one start. */
async function here(...words: string[]): Promise<string> {
  let out = "";
  let err = "";
  const code = await runCli(words, {
    env: { MESH_HTTP_ADDR: lab.api, MESH_TOKEN: lab.token }, stdin: Readable.from([]),
    signal: new AbortController().signal,
    stdout: { write: (text) => (out += text) }, stderr: { write: (text) => (err += text) },
  });
  if (code !== 0) throw new Error(`mesh ${words.join(" ")}: exit ${code}\n${err}`);
  return out;
}

function file(name: string, text: string): string {
  const path = join(lab.folder, name);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  lab = new Lab();
  ({ daemon } = await lab.dev());
  const app = await lab.app((_, res) => res.end("ok"));
  await lab.ok(["agent", "register", "--wait", file("web.json", service("web", { port: app.port }))]);
  await lab.ok(["agent", "register", "-"], { stdin: `name: api\nport: ${app.port}\ntags: [v1]\n` });
}, 60_000);

afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

describe("reading", () => {
  test.each([
    ["services"], ["instances", "web"], ["nodes"], ["agent", "services"], ["intention", "list"],
    ["intention", "match", "web"], ["ca", "roots"], ["acl", "token", "list"], ["acl", "ticket", "list"], ["topology"],
    ["metrics", "web"], ["status"], ["proxy-config", "listeners"], ["proxy-config", "certs"], ["get"],
  ])("%s %s answers as a table, as JSON and as YAML", async (...verb) => {
    await here(...verb);
    const data: unknown = JSON.parse(await here(...verb, "--format", "json"));
    expect(typeof data).toBe("object");
    expect(parseYaml(await here(...verb, "--format=yaml"))).toBeTypeOf("object");
  });

  test("a table without a terminal has no colours and cuts nothing", async () => {
    const table = await lab.ok(["ca", "roots"]);
    expect(table).not.toContain("\u001b");
    expect(table).toMatch(/[0-9a-f]{64}/);
    const forced = spawnSync(join(ROOT, "bin/mesh"), ["services"], {
      env: { ...process.env, NO_COLOR: "", CLICOLOR_FORCE: "1", MESH_HTTP_ADDR: lab.api, MESH_TOKEN: lab.token },
    });
    expect(forced.stdout.toString()).toContain("\u001b[");
  });

  test("an instance that is not there is a negative answer", async () => {
    expect(await fail("instances", "nothing")).toMatchObject({ code: 1, stdout: "" });
    expect((await fail("metrics", "nothing")).stderr).toContain("there is no service default/nothing");
  });
});

describe("mesh agent register", () => {
  test("a second time nothing changes, and it says so", async () => {
    expect(await lab.ok(["agent", "register", join(lab.folder, "web.json")])).toBe("unchanged: web\n");
  });

  test("mistakes in several files come at once, each with place, value and fix; nothing is registered", async () => {
    const one = file("one.json", '{\n  "service": {\n    "name": "one",\n    "port": "8080"\n  }\n}\n');
    const two = file("two.yaml", "name: two\nport: 1\nconect: {}\n");
    const good = file("good.json", service("good", { port: 1 }));
    const { code, stderr } = await fail("agent", "register", good, one, two);
    expect(code).toBe(2);
    expect(stderr).toContain(`${one}:4:13: service.port must be a number from 1 to 65535, got "8080" (string)`);
    expect(stderr).toContain('fix: "port": 8080');
    expect(stderr).toContain(`${two}:3:1: service.conect is not a known field`);
    expect(await json("agent", "services")).not.toContainEqual(expect.objectContaining({ id: "good" }));
  });

  test("a file that is no JSON, and one that is not there", async () => {
    const broken = file("broken.json", '{"service": {"name": "x",}');
    expect((await fail("agent", "register", broken)).stderr).toContain(`${broken}:1:`);
    const missing = await fail("agent", "register", join(lab.folder, "no.json"), "--format", "json");
    expect(JSON.parse(missing.stderr)).toMatchObject({ error: { message: expect.stringContaining("no such file") } });
  });

  test("an upstream port that something else holds is said with --wait", async () => {
    const other = await lab.app((_, res) => res.end("not the mesh"));
    const text = service("blocked", { port: 7, upstreams: { api: other.port } });
    const { code, stderr } = await lab.cli(["agent", "register", "--wait", "-"], { stdin: text });
    expect([code, stderr]).toEqual([1, expect.stringContaining("registered, but the proxy cannot listen")]);
    expect(stderr).toContain("choose another local_bind_port");
    await lab.ok(["agent", "deregister", "blocked"]);
  });

  test("deregister, and again", async () => {
    await lab.ok(["agent", "register", "-"], { stdin: service("gone", { port: 7 }) });
    expect(await lab.ok(["agent", "deregister", "gone"])).toBe("deregistered: gone\n");
    expect(await lab.ok(["agent", "deregister", "gone"])).toContain("unchanged");
  });

  test("maintenance", async () => {
    await lab.ok(["agent", "maint", "enable", "api", "--reason", "new disk"]);
    const { services } = (await json("status")) as { services: { id: string; status: string }[] };
    expect(services).toContainEqual(expect.objectContaining({ id: "api", status: "maintenance" }));
    await lab.ok(["agent", "maint", "disable", "api"]);
  });
});

describe("intentions", () => {
  test("create, change, check, delete", async () => {
    expect((await fail("intention", "check", "web", "api")).code).toBe(1);
    expect(await lab.ok(["intention", "create", "web", "api"])).toBe("created: web may call api\n");
    expect(await lab.ok(["intention", "create", "web", "api"])).toBe("unchanged: web may call api\n");
    expect(await lab.ok(["intention", "check", "web", "api"])).toContain("allowed: web to api");
    expect(await lab.ok(["intention", "create", "--deny", "web", "api"])).toBe("changed: web may not call api\n");
    expect(await json("intention", "list")).toEqual([expect.objectContaining({ Action: "deny" })]);
    expect(await lab.ok(["intention", "delete", "web", "api"])).toBe("deleted: deny web to api\n");
    expect(await lab.ok(["intention", "delete", "web", "api"])).toContain("unchanged");
  });

  test("a name that is none is refused", async () => {
    expect((await fail("intention", "create", "We b", "api")).code).toBe(2);
  });
});

describe("documents", () => {
  const TEXT = "apiVersion: mesh/v1\nkind: ServiceDefaults\nmetadata: {name: web}\nspec: {protocol: http}\n";

  test("apply, get, delete", async () => {
    expect(await lab.ok(["apply", "-f", file("d.yaml", TEXT)])).toBe("applied: ServiceDefaults web\n");
    const got = await lab.ok(["get", "servicedefaults/web", "--format", "yaml"]);
    expect(parseYaml(got)).toMatchObject({ kind: "ServiceDefaults", spec: { protocol: "http" } });
    // What is shown can be applied again.
    await lab.ok(["apply", "-f", "-"], { stdin: got });
    expect(await lab.ok(["delete", "ServiceDefaults/web"])).toBe("deleted: ServiceDefaults web\n");
    expect((await fail("delete", "ServiceDefaults/web")).code).toBe(1);
  });

  test("several files are applied together or not at all", async () => {
    const bad = file("bad.yaml", TEXT.replace("http", "gopher"));
    const { code, stderr } = await fail("apply", "-f", file("d.yaml", TEXT), "-f", bad);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`${bad}:4:`)]);
    expect(await json("get", "ServiceDefaults")).toEqual([]);
  });

  test("validate asks nobody", async () => {
    const files = [file("d.yaml", TEXT), join(lab.folder, "web.json")];
    const good = await lab.cli(["validate", ...files], { api: "127.0.0.1:1" });
    expect([good.code, good.stdout.split("\n").length]).toEqual([0, 3]);
    expect((await fail("validate", file("bad.yaml", TEXT.replace("spec", "spek")))).stderr).toContain("bad.yaml:4:1");
  });
});

describe("access", () => {
  test("without a token, with a wrong one and with a smaller role: exit code 4", async () => {
    expect((await lab.cli(["services"], { token: "" })).code).toBe(4);
    expect((await lab.cli(["services"], { token: "nonsense" })).code).toBe(4);
    const { token } = (await json("acl", "token", "create", "--role", "read:default")) as { token: string };
    expect((await lab.cli(["services"], { token })).code).toBe(0);
    expect((await lab.cli(["intention", "create", "web", "api"], { token })).code).toBe(4);
  });

  test("who may not see an intention does not hear that there is none", async () => {
    const { token } = (await json("acl", "token", "create", "--role", "read:other")) as { token: string };
    await lab.ok(["intention", "create", "web", "api"]);
    const { code, stdout } = await lab.cli(["intention", "delete", "web", "api"], { token });
    expect([code, stdout]).toEqual([4, ""]);
    await lab.ok(["intention", "delete", "web", "api"]);
  });

  test("a token goes to a file of mode 0600, is used from there, and is worthless once deleted", async () => {
    const out = join(lab.folder, "reader");
    const made = (await json("acl", "token", "create", "--role", "read:default", "--out", out)) as { accessor: string };
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect((await lab.cli(["nodes", "--token-file", out], { token: "" })).code).toBe(0);
    await lab.ok(["acl", "token", "delete", made.accessor]);
    expect((await lab.cli(["nodes", "--token-file", out], { token: "" })).code).toBe(4);
  });

  test("ca issue writes an SVID that openssl accepts, each file 0600", async () => {
    const out = join(lab.folder, "cert");
    const issued = (await json("ca", "issue", "web", "--out", out)) as Record<"spiffeId" | "cert" | "roots", string>;
    expect(issued.spiffeId).toMatch(/^spiffe:\/\/.+\/ns\/default\/sa\/web$/);
    for (const name of ["cert.pem", "key.pem", "roots.pem"]) expect(statSync(join(out, name)).mode & 0o777).toBe(0o600);
    if (!existsSync("/usr/bin/openssl")) return;
    const said = execFileSync("openssl", ["verify", "-x509_strict", "-CAfile", issued.roots, issued.cert]).toString();
    expect(said).toContain("OK");
  });

  test("what a host may be grows by name", async () => {
    const [node] = (await json("nodes")) as { name: string }[];
    expect(await lab.ok(["acl", "node", "allow", node!.name, "shop/cart"])).toContain("shop/cart");
  });
});

describe("completion", () => {
  test("service names of the running mesh, through the script in a real bash", async () => {
    expect((await lab.ok(["__complete", "instances", ""])).trim().split("\n")).toEqual(["api", "web"]);
    const script = file("mesh.bash", await lab.ok(["completion", "bash"]));
    const run = (line: string[]): string => execFileSync("bash", ["-c",
      `source ${script}; COMP_WORDS=(${line.map((w) => `'${w}'`).join(" ")}); COMP_CWORD=${line.length - 1}; _mesh
       printf '%s\\n' "\${COMPREPLY[@]}"`,
    ], { env: { ...process.env, MESH_HTTP_ADDR: lab.api, MESH_TOKEN: lab.token } }).toString().trim();
    const mesh = join(ROOT, "bin/mesh");
    expect(run([mesh, "inten"])).toBe("intention");
    expect(run([mesh, "intention", "create", "a"])).toBe("api");
    expect(run([mesh, "services", "--format", "=", "y"])).toBe("yaml");
  });

  test.each(["zsh", "fish"])("the script for %s asks the same program", async (shell) => {
    expect(await lab.ok(["completion", shell])).toContain("__complete");
  });
});

test("the token never goes into the log", () => {
  expect(daemon.log).toContain("ready");
  expect(daemon.log).not.toContain(lab.token);
});
