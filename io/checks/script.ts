import { spawn } from "node:child_process";
import { OUTPUT_BYTES_MAX } from "../../core/health/output.ts";
import type { CheckStatus } from "../../core/model/catalog.ts";
import type { CheckProbe } from "../../core/model/service.ts";
import type { ProbeResult } from "./probe.ts";

/** A clean environment: the agent's own may hold a token. */
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" };

/** Exit code 0 is passing, 1 warning, anything else critical, as in Consul; output is stdout and stderr together. */
export function probeScript(probe: CheckProbe & { type: "script" }, signal: AbortSignal): Promise<ProbeResult> {
  const [program = "", ...args] = probe.args;
  return new Promise((resolve, reject) => {
    // A group of its own: at the time limit everything that the script started ends with it.
    const child = spawn(program, args, {
      detached: true, env: ENVIRONMENT, cwd: "/", stdio: ["ignore", "pipe", "pipe"],
    });
    const parts: Buffer[] = [];
    let size = 0;
    const collect = (part: Buffer): void => {
      // Read on and drop: a script that blocks on a full pipe would look hung.
      if (size < OUTPUT_BYTES_MAX) parts.push(part.subarray(0, OUTPUT_BYTES_MAX - size));
      size += part.length;
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const kill = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
      reject(new Error("timed out"));
    };
    signal.addEventListener("abort", kill);
    if (signal.aborted) kill();
    child.on("error", reject);
    child.on("exit", (code, by) => {
      signal.removeEventListener("abort", kill);
      // Output that was written before the exit is still in the pipe; a grandchild may hold it open for ever.
      setImmediate(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        const output = Buffer.concat(parts).toString("utf8");
        resolve({ status: statusOf(code), output: by === null ? output : `ended by ${by}. ${output}` });
      });
    });
  });
}

function statusOf(code: number | null): CheckStatus {
  return code === 0 ? "passing" : code === 1 ? "warning" : "critical";
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
