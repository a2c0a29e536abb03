import { join } from "node:path";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { daemonLogger, placeOf } from "../daemon/host.ts";
import { claimReadyFile } from "../daemon/ready.ts";
import { httpListen, loadConfig } from "../daemon/settings.ts";
import { startUnlessStopped, stopBySignal } from "../daemon/signals.ts";

/** `mesh server`: runs until a signal. */
export async function run(context: Context, args: Args): Promise<number> {
  // The log's files are made by LevelDB, which knows no modes; nothing of a server is for other users.
  process.umask(0o077);
  const stop = stopBySignal(context.say);
  const config = loadConfig(args, context.env);
  claimReadyFile(config.readyFile);
  const credentials = context.env["CREDENTIALS_DIRECTORY"];
  const { startServer } = await import("../../server/main.ts");
  const server = await startUnlessStopped(stop, () => startServer({
    ...placeOf(config),
    http: httpListen(config),
    httpsPort: config.httpsPort ?? 8501,
    grpcPort: config.grpcPort ?? 8300,
    bootstrap: config.bootstrap ?? false,
    log: daemonLogger(context, "server", config.logLevel),
    ...(context.io.stderr.isTTY === true ? { showToken: (token: string) => showToken(context, token) } : {}),
    ...(credentials === undefined ? {} : { sealKeyCredential: join(credentials, "seal.key") }),
    ...(config.trustDomain === undefined ? {} : { trustDomain: config.trustDomain }),
    ...(config.leafTtlMs === undefined ? {} : { leafTtlMs: config.leafTtlMs }),
    ...(config.readyFile === undefined ? {} : { readyFile: config.readyFile }),
  }));
  await stop.stopped;
  await server.close();
  return 0;
}

/** The first token is shown to a person once; where nobody looks it goes to a file instead. */
function showToken(context: Context, token: string): void {
  context.say(`The management token of this new cluster, shown this once:\n\n  export MESH_TOKEN=${token}\n`);
}
