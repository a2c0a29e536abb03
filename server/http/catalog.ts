import {
  catalogNodes, catalogService, catalogServices, healthServiceShape, type Json, nodeShape,
} from "../../core/catalog/consul-shapes.ts";
import { healthTopic } from "../../core/catalog/topics.ts";
import { jsonResponse } from "../../io/api/router.ts";
import type { Access } from "../access.ts";
import type { ServerContext } from "../context.ts";
import { filterOf, guarded, type GuardedRoute, list, namespaceOf, readOf } from "./query.ts";

/** `/v1/catalog/…` in Consul's shapes. */
export function catalogRoutes(context: ServerContext): GuardedRoute[] {
  const { catalog, datacenter } = context;
  return [
    guarded(context, "GET /v1/catalog/datacenters", () => jsonResponse([datacenter])),
    guarded(context, "GET /v1/catalog/services", (req) => {
      const namespace = namespaceOf(req, { wildcard: true });
      return list(context, req, {
        topics: ["instances"],
        read: (access) => namespace === "*" ? allServices(context, access)
          : access.can(readOf(namespace)) ? catalogServices(catalog, namespace) : {},
      });
    }),
    guarded(context, "GET /v1/catalog/service/:name", (req) => {
      const service = { namespace: namespaceOf(req), name: req.params["name"]! };
      return list(context, req, {
        topics: [healthTopic(service.namespace, service.name)],
        need: readOf(service.namespace),
        read: () => catalogService(catalog, service, filterOf(req)),
      });
    }),
    guarded(context, "GET /v1/catalog/nodes", (req) => list(context, req, {
      topics: ["nodes"],
      read: () => catalogNodes(catalog),
    })),
    guarded(context, "GET /v1/catalog/node/:node", (req) => list(context, req, {
      topics: ["nodes", "instances"],
      // Consul answers `null` for a node that it does not know.
      read: (access) => nodeWithServices(context, req.params["node"]!, access) ?? null,
    })),
  ];
}

function nodeWithServices({ catalog }: ServerContext, name: string, access: Access): Json | undefined {
  const node = catalog.node(name);
  if (node === undefined) return undefined;
  const instances = catalog.instancesOn(name).filter((instance) => access.can(readOf(instance.namespace)));
  return {
    Node: nodeShape(node),
    Services: Object.fromEntries(instances.map((instance) => [instance.id, healthServiceShape(catalog, instance)])),
  };
}

/** `?ns=*`: names outside of the default namespace with their namespace before them. */
function allServices({ catalog }: ServerContext, access: Access): Json {
  return Object.fromEntries(catalog.services()
    .filter(({ namespace }) => access.can(readOf(namespace)))
    .map(({ namespace, name, tags }) => [namespace === "default" ? name : `${namespace}/${name}`, tags]));
}
