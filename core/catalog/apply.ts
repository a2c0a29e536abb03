import { needOf } from "../acl/need.ts";
import { authorize, describeNeed } from "../acl/roles.ts";
import { unreachable } from "../base/assert.ts";
import { clusterBootstrap, clusterServers, rootAdd } from "./apply-access.ts";
import { ticketCreate, ticketDelete, ticketRedeem, tokenCreate, tokenDelete } from "./apply-access.ts";
import {
  intentionDelete, intentionPut, resourceApply, resourceDelete, resourcePut,
} from "./apply-config.ts";
import { type ApplyContext, refuse } from "./apply-context.ts";
import { nodeAllow, nodeDelete, nodeDisallow, nodeRevoke, nodeSync, nodeUpsert } from "./apply-nodes.ts";
import type { Command } from "./commands.ts";
import type { ApplyRefused, ApplyResult } from "./records.ts";

/**
 * Why the token may not have this done, or undefined. Whoever proposed the command has looked already; but a token may
 * be revoked between that and here, and a server that lags behind knows nothing of it (pitfall 53).
 */
export function deniedTo(context: ApplyContext, accessor: string, command: Command): ApplyRefused | undefined {
  const token = context.state.tokens.get(accessor);
  if (token === undefined || (token.expMs !== 0 && token.expMs <= context.nowMs)) {
    return refuse("DENIED", "Permission denied: ACL not found: the token was revoked or has expired");
  }
  const lacking = needOf(command).find((need) => !authorize(token.roles, need));
  return lacking && refuse("DENIED", `Permission denied: token ${accessor} lacks ${describeNeed(lacking)}`);
}

/** The one place where a command meets its handler. */
export function applyCommand(context: ApplyContext, command: Command): ApplyResult {
  switch (command.type) {
    case "cluster.bootstrap": return clusterBootstrap(context, command);
    case "cluster.servers": return clusterServers(context, command);
    case "node.upsert": return nodeUpsert(context, command);
    case "node.delete": return nodeDelete(context, command);
    case "node.allow": return nodeAllow(context, command);
    case "node.disallow": return nodeDisallow(context, command);
    case "node.revoke": return nodeRevoke(context, command);
    case "node.sync": return nodeSync(context, command);
    case "ticket.create": return ticketCreate(context, command);
    case "ticket.redeem": return ticketRedeem(context, command);
    case "ticket.delete": return ticketDelete(context, command);
    case "token.create": return tokenCreate(context, command);
    case "token.delete": return tokenDelete(context, command);
    case "intention.put": return intentionPut(context, command);
    case "intention.delete": return intentionDelete(context, command);
    case "resource.put": return resourcePut(context, command);
    case "resource.delete": return resourceDelete(context, command);
    case "resource.apply": return resourceApply(context, command);
    case "ca.root.add": return rootAdd(context, command);
    default: return unreachable(command);
  }
}
