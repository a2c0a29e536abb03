/** What the verbs on configuration documents share. */
import { nearest } from "../../core/base/nearest.ts";
import { type ServiceName, parseServiceName } from "../../core/model/names.ts";
import { RESOURCE_KINDS } from "../../core/model/resource.ts";
import { MeshError } from "../../core/base/errors.ts";
import type { AppliedResource } from "../api-access.ts";
import { usage } from "../errors.ts";
import { shortName } from "../names.ts";

/** `KIND` in any case, with the nearest one for a mistyped kind. */
function parseKind(text: string): string {
  const kind = RESOURCE_KINDS.find((k) => k.toLowerCase() === text.toLowerCase());
  if (kind !== undefined) return kind;
  const near = nearest(text, RESOURCE_KINDS);
  throw new MeshError("USAGE", `"${text}" is not a kind of document`, {
    fix: near === undefined ? `kinds: ${RESOURCE_KINDS.join(", ")}` : `did you mean ${near}?`,
  });
}

/** `KIND`, `KIND/NAME` or `KIND/NAMESPACE/NAME`. */
export function parseResource(text: string, namespace: string): { kind: string; service: ServiceName | undefined } {
  const [kind = "", ...rest] = text.split("/");
  if (rest.length > 2) throw usage(`"${text}" is not KIND/NAME`, "ServiceDefaults/web");
  const service = rest.length === 0 ? undefined : parseServiceName(rest.join("/"), namespace);
  return { kind: parseKind(kind), service };
}

export function sayApplied({ kind, namespace = "", name = "", source, destination }: AppliedResource): string {
  if (source === undefined || destination === undefined) return `${kind} ${shortName(namespace, name)}`;
  return `${kind} ${shortName(source.namespace, source.name)} to ${shortName(destination.namespace, destination.name)}`;
}
