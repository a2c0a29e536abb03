import { MeshError } from "../../core/base/errors.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { daemonLogger, placeOf } from "../daemon/host.ts";
import { claimReadyFile } from "../daemon/ready.ts";
import { httpListen, loadConfig } from "../daemon/settings.ts";
import { startUnlessStopped, stopBySignal } from "../daemon/signals.ts";
import { readTicket } from "../daemon/ticket.ts";

/** `mesh agent`: runs until a signal. */
export async function run(context: Context, args: Args): Promise<number> {
  const stop = stopBySignal(context.say);
  const config = loadConfig(args, context.env);
  const http = httpListen(config);
  if (http === undefined) {
    throw new MeshError("INVALID_CONFIG", "an agent cannot run without its HTTP API", {
      fix: "http_addr: 127.0.0.1:8500",
    });
  }
  claimReadyFile(config.readyFile);
  const ticket = await readTicket(config, context.io);
  const { startAgent } = await import("../../agent/main.ts");
  const agent = await startUnlessStopped(stop, () => startAgent({
    ...placeOf(config),
    http,
    inboundPort: config.inboundPort ?? 15_008,
    log: daemonLogger(context, "agent", config.logLevel),
    ...(ticket === undefined ? {} : { ticket }),
    ...(config.socket === undefined ? {} : { socketPath: config.socket }),
    ...(config.readyFile === undefined ? {} : { readyFile: config.readyFile }),
    ...(config.enableScriptChecks === undefined ? {} : { enableScriptChecks: config.enableScriptChecks }),
    ...(config.servicesDir === undefined ? {} : { servicesDir: config.servicesDir }),
  }));
  await stop.stopped;
  await agent.close();
  return 0;
}
