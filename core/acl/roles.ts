import { MeshError } from "../base/errors.ts";
import { isLabel } from "../model/names.ts";

/** What a request needs. `*` as the namespace: it concerns all of them. */
export type Need =
  | { readonly kind: "management" }
  | { readonly kind: "read" | "write"; readonly namespace: string };

/**
 * Whether one of the roles grants it: `management` everything, `write:<ns>` writing and reading there, `read:<ns>`
 * reading; `*` stands for every namespace. Unknown roles grant nothing.
 */
export function authorize(roles: readonly string[], need: Need): boolean {
  if (roles.includes("management")) return true;
  if (need.kind === "management") return false;
  const grants = [`write:*`, `write:${need.namespace}`];
  if (need.kind === "read") grants.push(`read:*`, `read:${need.namespace}`);
  return roles.some((role) => grants.includes(role));
}

/** The role's canonical text; throws INVALID with what is allowed. */
export function parseRole(text: string): string {
  if (text === "management") return text;
  const [kind, namespace, ...rest] = text.split(":");
  if (rest.length === 0 && (kind === "read" || kind === "write") && namespace !== undefined
    && (namespace === "*" || isLabel(namespace))) return text;
  throw new MeshError("INVALID", `"${text}" is not a role`, {
    fix: "use management, write:NAMESPACE or read:NAMESPACE (* for every namespace)",
  });
}

/** For a refusal: what would have sufficed. */
export const describeNeed = (need: Need): string =>
  need.kind === "management" ? "role management" : `role ${need.kind}:${need.namespace}`;
