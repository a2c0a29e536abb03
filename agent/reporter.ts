/** Takes the proxy's counters and sends what is new to the servers, every ten seconds. */
import type { Logger } from "../io/logger.ts";
import type { ProxyControl } from "./control.ts";
import type { ServerLink } from "./server-link.ts";
import type { TelemetryTotals } from "./telemetry.ts";

const PERIOD_MS = 10_000;
const CALL_TIMEOUT_MS = 5_000;

export interface TelemetryReporterOptions {
  readonly node: string;
  readonly control: ProxyControl;
  readonly link: ServerLink;
  readonly telemetry: TelemetryTotals;
  readonly log: Logger;
}

export class TelemetryReporter {
  readonly #options: TelemetryReporterOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #closed = new AbortController();
  #busy = false;

  constructor(options: TelemetryReporterOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#send(), PERIOD_MS);
  }

  /** Asks the proxy now; without one the totals stay as they are. */
  async collect(): Promise<void> {
    const { control, telemetry, log } = this.#options;
    if (!control.status().connected) return;
    try {
      telemetry.absorb(await control.stats());
    } catch (error) {
      log.debug({ err: error }, "the proxy's counters were not read");
    }
  }

  close(): void {
    this.#closed.abort();
    clearInterval(this.#timer);
  }

  async #send(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const { node, telemetry, link, log } = this.#options;
    await this.collect();
    const report = telemetry.take(node, Date.now());
    try {
      const reportJson = Buffer.from(JSON.stringify(report));
      await link.call("reportTelemetry", { reportJson }, { timeoutMs: CALL_TIMEOUT_MS, signal: this.#closed.signal });
    } catch (error) {
      telemetry.putBack(report);
      log.debug({ err: error }, "counters wait for a server");
    } finally {
      this.#busy = false;
    }
  }
}
