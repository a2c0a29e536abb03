import type { MeshError } from "../../core/base/errors.ts";
import { parseServiceDefinitions } from "../../core/model/service-parse.ts";
import type { ServiceDefinition } from "../../core/model/service.ts";
import * as api from "../api-agent.ts";
import type { Args } from "../args.ts";
import { type Context, readInput } from "../context.ts";
import { asMeshError, joinErrors } from "../errors.ts";
import { shortName } from "../names.ts";

interface Definitions {
  readonly file: string;
  readonly text: string;
  readonly services: readonly ServiceDefinition[];
}

/** `mesh agent register FILE…`: every file is checked here first, so that a mistake has its exact place. */
export async function run(context: Context, args: Args): Promise<number> {
  const all = await readDefinitions(context, args.list("file"));
  const client = context.client();
  const wait = args.flag("wait") === true;
  const waitMs = args.durationMs("wait-timeout") ?? 30_000;
  const results: { id: string; service: string; result: string }[] = [];
  for (const { file, text, services } of all) {
    const options = { file, namespace: context.namespace, wait, waitMs };
    const { registered } = await api.registerServices(client, text, options);
    results.push(...services.map(({ id, namespace, name }) =>
      ({ id, service: shortName(namespace, name), result: registered.includes(id) ? "registered" : "unchanged" })));
  }
  await context.show(results, () => results.map(({ result, service, id }) =>
    `${result}: ${service}${id === service ? "" : ` (${id})`}\n`).join(""));
  return 0;
}

/** All texts, or all mistakes of all files at once. */
async function readDefinitions(context: Context, files: readonly string[]): Promise<Definitions[]> {
  const failed: MeshError[] = [];
  const all: Definitions[] = [];
  for (const given of files) {
    const file = given === "-" ? "stdin" : given;
    try {
      const text = await readInput(context, given);
      const { services, warnings } = parseServiceDefinitions(text, { file, namespace: context.namespace });
      for (const warning of warnings) context.say(`warning: ${warning}`);
      all.push({ file, text, services });
    } catch (error) {
      failed.push(asMeshError(error));
    }
  }
  if (failed.length > 0) throw joinErrors(failed);
  return all;
}
