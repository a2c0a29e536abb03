import { MeshError } from "../core/base/errors.ts";
import { authorize, describeNeed, type Need } from "../core/acl/roles.ts";
import type { Catalog } from "../core/catalog/catalog.ts";
import { secretHash } from "./secrets.ts";

/** What a request's token grants. */
export interface Access {
  /** Names the token without being it; goes to logs. */
  readonly accessor: string;
  readonly roles: readonly string[];
  /** Wall time at which the token ends; 0: never. */
  readonly expMs: number;
  can(need: Need): boolean;
  /** Throws DENIED when the roles do not cover it. */
  require(need: Need): void;
}

/** Looks a token up. Throws NO_TOKEN without one, DENIED for one that is unknown or over. */
export function authenticate(catalog: Catalog, token: string, nowMs: number): Access {
  if (token === "") throw new MeshError("NO_TOKEN", "Permission denied: this needs a token");
  // Found by its digest: how long the search takes says nothing about the secret (pitfall 52).
  const record = catalog.tokenByHash(secretHash(token));
  if (record === undefined || (record.expMs !== 0 && record.expMs <= nowMs)) {
    throw new MeshError("DENIED", "Permission denied: ACL not found: the token is unknown or has expired", {
      fix: "use a valid token; management can make one: mesh acl token create",
    });
  }
  const { accessor, roles, expMs } = record;
  const can = (need: Need): boolean => authorize(roles, need);
  return {
    accessor,
    roles,
    expMs,
    can,
    require: (need) => {
      if (can(need)) return;
      throw new MeshError("DENIED", `Permission denied: token ${accessor} lacks ${describeNeed(need)}`);
    },
  };
}
