import { connect } from "node:net";
import type { CheckProbe } from "../../core/model/service.ts";
import type { ProbeResult } from "./probe.ts";

/** Passing once the connection is accepted; it is closed at once. */
export function probeTcp(probe: CheckProbe & { type: "tcp" }, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: probe.host, port: probe.port });
    const abort = (): void => void socket.destroy(new Error("timed out"));
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    socket.on("connect", () => {
      resolve({ status: "passing", output: `TCP connect ${probe.host}:${probe.port}: success` });
      socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => signal.removeEventListener("abort", abort));
  });
}
