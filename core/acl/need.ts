import { unreachable } from "../base/assert.ts";
import type { Command } from "../catalog/commands.ts";
import type { Need } from "./roles.ts";

/**
 * The roles that a command of a token's holder needs, all of them. `node.sync` and `ticket.redeem` are not asked for
 * with tokens: a host is admitted by its certificate or its ticket; with a token they take management.
 */
export function needOf(command: Command): Need[] {
  switch (command.type) {
    case "intention.put": return [write(command.intention.destination.namespace)];
    case "intention.delete": {
      // By id alone the namespace is not known here: the caller looks the pair up and names it.
      return [write(command.destination?.namespace ?? "*")];
    }
    case "resource.put":
    case "resource.delete": return [write(command.resource.namespace)];
    case "resource.apply": {
      const namespaces = [
        ...command.resources.map((r) => r.namespace), ...command.intentions.map((i) => i.destination.namespace),
      ];
      return [...new Set(namespaces)].map(write);
    }
    case "cluster.bootstrap":
    case "cluster.servers":
    case "node.upsert":
    case "node.delete":
    case "node.allow":
    case "node.disallow":
    case "node.revoke":
    case "node.sync":
    case "ticket.create":
    case "ticket.redeem":
    case "ticket.delete":
    case "token.create":
    case "token.delete":
    case "ca.root.add": return [{ kind: "management" }];
    default: return unreachable(command);
  }
}

const write = (namespace: string): Need => ({ kind: "write", namespace });
