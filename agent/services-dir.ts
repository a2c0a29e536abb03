/** The folder of service files: read at start and on reload, all mistakes of all files in one error. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { MeshError } from "../core/base/errors.ts";
import { parseServiceDefinitions } from "../core/model/service-parse.ts";
import { checkConflicts, type LocalState, type RegisteredService } from "./local-state.ts";

export interface ServiceFiles {
  readonly services: readonly RegisteredService[];
  readonly warnings: readonly string[];
}

/** Reads `*.json`, `*.yaml` and `*.yml` in name order; a folder that is not there holds none. */
function readServiceFiles(folder: string): ServiceFiles {
  const services: RegisteredService[] = [];
  const warnings: string[] = [];
  const errors: MeshError[] = [];
  for (const file of filesIn(folder)) {
    try {
      const parsed = parseServiceDefinitions(readFileSync(file, "utf8"), { file });
      warnings.push(...parsed.warnings);
      for (const definition of parsed.services) {
        const twin = services.find((other) => other.definition.id === definition.id);
        if (twin === undefined) services.push({ definition, origin: `file:${file}` });
        else errors.push(new MeshError("INVALID_SERVICE", `${file}: id "${definition.id}" is in ${twin.origin} too`));
      }
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) {
    const fix = [...new Set(errors.map((error) => error.fix))].join("\n");
    throw new MeshError("INVALID_SERVICE", errors.map((error) => error.message).join("\n"), { fix });
  }
  return { services, warnings };
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /\.(json|ya?ml)$/.test(name) && !name.startsWith(".")).sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new MeshError("INVALID_CONFIG", `${folder} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Registers what the folder holds now and forgets what came from files that no longer say so. Throws before anything
 * is changed when a file is wrong.
 */
export function loadServiceFiles(
  folder: string | undefined, state: LocalState,
): { readonly ids: readonly string[]; readonly warnings: readonly string[] } {
  if (folder === undefined) return { ids: [], warnings: [] };
  const { services, warnings } = readServiceFiles(folder);
  const ids = services.map(({ definition }) => definition.id);
  const gone = state.services().filter(({ origin, definition }) => origin !== "api" && !ids.includes(definition.id));
  const staying = state.services().filter((service) => !gone.includes(service)).map(({ definition }) => definition);
  checkConflicts(services.map(({ definition }) => definition), staying);
  state.remove(gone.map(({ definition }) => definition.id));
  state.put(services.map((service) => {
    const maintenance = state.get(service.definition.id)?.maintenance;
    return maintenance === undefined ? service : { ...service, maintenance };
  }));
  return { ids, warnings };
}
