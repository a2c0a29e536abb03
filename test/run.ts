/**
 * The whole check of this project: packages that the suites want, generated code, types, lint, then every suite.
 * Ends with vitest's summary and one line `N passed, N failed`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const BIN = join(ROOT, "node_modules/.bin");

/** Debian packages by the program that shows they are there. */
const PACKAGES: Readonly<Record<string, string>> = { curl: "curl", openssl: "openssl" };

/** Seconds for what could go on for ever: simulated clusters, fuzzing per target. What the environment says wins. */
const TIME_BOXES = {
  SIM_SECONDS: process.env["SIM_SECONDS"] ?? "120",
  FUZZ_SECONDS: process.env["FUZZ_SECONDS"] ?? "20",
};

interface Outcome {
  passed: number;
  failed: number;
}

function onPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): number {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, PATH: `${BIN}${delimiter}${process.env["PATH"] ?? ""}`, ...env },
  });
  return result.status ?? 1;
}

/** As root on Debian installs what is missing; elsewhere the suites that need it skip and name it. */
function installPackages(): void {
  const missing = Object.entries(PACKAGES).filter(([program]) => !onPath(program)).map(([, name]) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !onPath("apt-get")) {
    console.log(`missing Debian packages: ${missing.join(" ")}; the suites that need them will skip`);
    return;
  }
  console.log(`installing Debian packages that the suites need: ${missing.join(" ")}`);
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (run("apt-get", install, env) !== 0 && run("apt-get", ["update"], env) === 0) run("apt-get", install, env);
}

/** Generated code equals what the generator makes of the proto files today. */
function generatedIsCurrent(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "mesh-gen-"));
  try {
    if (run("buf", ["generate", "--output", folder]) !== 0) return false;
    return run("diff", ["-r", join(folder, "io/gen"), join(ROOT, "io/gen")]) === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function check(name: string, ok: boolean, outcome: Outcome): void {
  console.log(`${ok ? "ok  " : "FAIL"} ${name}`);
  if (ok) outcome.passed++;
  else outcome.failed++;
}

function vitest(outcome: Outcome): void {
  const folder = mkdtempSync(join(tmpdir(), "mesh-vitest-"));
  const file = join(folder, "results.json");
  try {
    const status = run(
      "vitest", ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`], TIME_BOXES,
    );
    const found = existsSync(file)
      ? (JSON.parse(readFileSync(file, "utf8")) as { numPassedTests: number; numFailedTests: number })
      : { numPassedTests: 0, numFailedTests: 1 };
    outcome.passed += found.numPassedTests;
    // A suite that could not even load fails the run without counting a test.
    outcome.failed += found.numFailedTests === 0 && status !== 0 ? 1 : found.numFailedTests;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const outcome: Outcome = { passed: 0, failed: 0 };
installPackages();
check("generated code is current", generatedIsCurrent(), outcome);
check("types", run("tsc", ["-p", "tsconfig.json"]) === 0 && run("tsc", ["-p", "core/tsconfig.json"]) === 0, outcome);
check("lint", run("oxlint", ["--type-aware", "--deny-warnings"]) === 0, outcome);
vitest(outcome);
console.log(`${outcome.passed} passed, ${outcome.failed} failed`);
process.exitCode = outcome.failed === 0 ? 0 : 1;
