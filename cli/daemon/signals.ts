/**
 * Daemons stop by signal: the first SIGINT or SIGTERM begins an orderly end, a second one ends the process at once.
 * Installed before anything starts, so that a Ctrl-C during start-up is not lost.
 */

/**
 * One Ctrl-C may arrive twice: from the terminal, and from a parent (npm, a supervisor) that passes it on. What comes
 * within this time is the same wish.
 */
const SAME_WISH_MS = 500;

export interface StopSignal {
  /** Resolves at the first signal. */
  readonly stopped: Promise<void>;
  readonly signal: AbortSignal;
}

export function stopBySignal(say: (text: string) => void): StopSignal {
  const controller = new AbortController();
  let firstAtMs = 0;
  const stopped = new Promise<void>((resolve) => {
    const onSignal = (signal: NodeJS.Signals): void => {
      if (controller.signal.aborted) {
        if (performance.now() - firstAtMs < SAME_WISH_MS) return;
        // 128 + the signal's number, as a shell shows it: this end was not an orderly one.
        process.exit(signal === "SIGINT" ? 130 : 143);
      }
      say("stopping (once more to stop at once)");
      firstAtMs = performance.now();
      controller.abort();
      resolve();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
  return { stopped, signal: controller.signal };
}

/**
 * What `start` gives, unless a signal comes first: a start that waits (for a server, for a disk) is not worth an
 * orderly end. The process ends at once then; handlers of its exit still run.
 */
export async function startUnlessStopped<T>(stop: StopSignal, start: () => Promise<T>): Promise<T> {
  const stopped = Symbol("stopped");
  const first = await Promise.race([start(), stop.stopped.then(() => stopped)]);
  if (first === stopped) process.exit(0);
  return first as T;
}
