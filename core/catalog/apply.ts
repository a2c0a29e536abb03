import { unreachable } from "../base/assert.ts";
import { clusterBootstrap, clusterServers, rootAdd } from "./apply-access.ts";
import { ticketCreate, ticketDelete, ticketRedeem, tokenCreate, tokenDelete } from "./apply-access.ts";
import {
  intentionDelete, intentionPut, resourceApply, resourceDelete, resourcePut,
} from "./apply-config.ts";
import type { ApplyContext } from "./apply-context.ts";
import { nodeAllow, nodeDelete, nodeDisallow, nodeRevoke, nodeSync, nodeUpsert } from "./apply-nodes.ts";
import type { Command } from "./commands.ts";
import type { ApplyResult } from "./records.ts";

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
