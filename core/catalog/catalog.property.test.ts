import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createCatalog } from "./catalog.ts";
import type { Catalog } from "./catalog.ts";
import { encodeCommand } from "./commands.ts";
import type { Command } from "./commands.ts";
import { check, instance, NOW, sync } from "./fixture.ts";
import { Oracle } from "./oracle.ts";
import { sourcesOf } from "./topics.ts";

const NAMESPACES = ["default", "shop"];
const SERVICES = ["web", "api"];
const PAIRS = NAMESPACES.flatMap((ns) => SERVICES.map((name) => [ns, name] as const));
const nodeName = fc.constantFrom("n1", "n2", "n3");
const instanceId = fc.constantFrom("i1", "i2", "i3");
const checkId = fc.constantFrom("c1", "c2", "c3");
const pattern = fc.constantFrom("*", "default/*", "shop/web", "default/web", "default/api");
const side = fc.constantFrom(
  ...PAIRS.map(([namespace, name]) => ({ namespace, name })),
  { namespace: "default", name: "*" }, { namespace: "shop", name: "*" }, { namespace: "*", name: "*" },
);

const instanceRow = fc.record({
  id: instanceId, namespace: fc.constantFrom(...NAMESPACES), service: fc.constantFrom(...SERVICES),
  port: fc.constantFrom(80, 81), draining: fc.boolean(), tags: fc.subarray(["v1", "v2"]),
  meta: fc.constantFrom<Record<string, string>>({}, { app: "other" }, { team: "x" }),
}).map(({ id, service, ...more }) => instance(id, service, more));

const checkRow = fc.record({
  id: checkId, instanceId: fc.constantFrom("", "i1", "i2", "i3"),
  status: fc.constantFrom("passing", "warning", "critical"), output: fc.constantFrom("", "down"),
}).map(({ id, instanceId: of, ...more }) => check(id, of, more));

const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.record({
    name: nodeName, id: fc.constantFrom("h1", "h2", "h3"), port: fc.constantFrom(1, 2) })
    .map(({ name, id, port }): Command =>
      ({ type: "node.upsert", node: { name, id, address: "10.0.0.1", inboundPort: port, meta: {} } })) },
  { weight: 3, arbitrary: fc.record({
    type: fc.constant("node.allow" as const), name: nodeName, allow: fc.array(pattern, { maxLength: 2 }) }) },
  { weight: 1, arbitrary: fc.record({
    type: fc.constant("node.disallow" as const), name: nodeName, allow: fc.array(pattern, { maxLength: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("node.delete" as const, "node.revoke"), name: nodeName }) },
  { weight: 10, arbitrary: fc.record({
    instances: fc.array(instanceRow, { maxLength: 3 }), checks: fc.array(checkRow, { maxLength: 3 }),
    deleteInstances: fc.array(instanceId, { maxLength: 1 }), deleteChecks: fc.array(checkId, { maxLength: 1 }),
    node: nodeName }).map(({ node, ...more }) => sync(node, more)) },
  { weight: 4, arbitrary: fc.record({
    id: fc.constantFrom("t1", "t2", "t3", "t4"), source: side, destination: side,
    action: fc.constantFrom("allow" as const, "deny") })
    .map((input): Command => ({ type: "intention.put", intention: { ...input, description: "", meta: {} } })) },
  { weight: 2, arbitrary: fc.record({
    type: fc.constant("intention.delete" as const), id: fc.constantFrom("t1", "t2", "t3", "t4") }) },
  { weight: 2, arbitrary: fc.record({ protocol: fc.constantFrom("http", "tcp"), name: fc.constantFrom(...SERVICES) })
    .map(({ protocol, name }): Command => ({ type: "resource.put", resource: {
      kind: "ServiceDefaults", namespace: "default", name, document: { spec: { protocol } } } })) },
  { weight: 1, arbitrary: fc.constantFrom(...SERVICES).map((name): Command =>
    ({ type: "resource.delete", resource: { kind: "ServiceDefaults", namespace: "default", name } })) },
);

// Long lists: what goes wrong needs a history.
const long = { maxLength: 40, size: "max" } as const;
const commands = fc.array(anyCommand, long);
// In a new catalog most random commands would meet no node: begin with some.
const preamble: Command[] = [
  { type: "node.upsert", node: { name: "n1", id: "h1", address: "10.0.0.1", inboundPort: 1, meta: {} } },
  { type: "node.upsert", node: { name: "n2", id: "h2", address: "10.0.0.2", inboundPort: 1, meta: {} } },
  { type: "node.allow", name: "n1", allow: ["*"] },
  { type: "node.allow", name: "n2", allow: ["default/*"] },
];
const TOPICS = [
  ...PAIRS.flatMap(([ns, name]) => [`service/${ns}/${name}`, `intentions/${ns}/${name}`, `defaults/${ns}/${name}`]),
  "roots", "node/n1", "node/n2", "node/n3",
];

const step = (catalog: Catalog, command: Command): void =>
  void catalog.apply(catalog.appliedIndex + 1, encodeCommand(command, { requestId: "", nowMs: NOW }));

const plain = (row: object): object => ({ ...row, createIndex: undefined, modifyIndex: undefined });
const byJson = (rows: readonly object[]): string[] => rows.map((r) => JSON.stringify(plain(r))).sort();

function compare(catalog: Catalog, oracle: Oracle): void {
  for (const name of ["n1", "n2", "n3"]) {
    const node = oracle.nodes.find((n) => n.name === name);
    expect(catalog.node(name)?.allow).toEqual(node?.allow);
    expect(byJson(catalog.instancesOn(name))).toEqual(byJson(oracle.instances.filter((i) => i.node === name)));
    expect(byJson(catalog.checksOn(name))).toEqual(byJson(oracle.checks.filter((c) => c.node === name)));
    for (const id of ["", "i1", "i2", "i3"]) {
      const expected = oracle.checks.filter((c) => c.node === name && c.instanceId === id);
      expect(byJson(catalog.checksOf(name, id))).toEqual(byJson(expected));
    }
  }
  for (const [namespace, name] of PAIRS) {
    const mine = oracle.instances.filter((i) => i.namespace === namespace && i.service === name);
    expect(byJson(catalog.instancesOf(namespace, name))).toEqual(byJson(mine));
    const seen = catalog.endpoints(namespace, name).map((e) => [e.node, e.id, e.status, e.inboundPort, e.draining]);
    const expected = mine.map((i) => [i.node, i.id, oracle.status(i),
      oracle.nodes.find((n) => n.name === i.node)!.inboundPort, i.draining]);
    expect(seen).toEqual(expected.sort((a, b) => (`${a[0]}/${a[1]}` < `${b[0]}/${b[1]}` ? -1 : 1)));
    const covering = oracle.intentions.filter(({ destination: d }) =>
      d.namespace === "*" || (d.namespace === namespace && (d.name === "*" || d.name === name)));
    const ids = (list: readonly { id: string }[]): string[] => list.map((i) => i.id).sort();
    expect(ids(catalog.intentionsFor({ namespace, name }))).toEqual(ids(covering));
  }
}

test("random commands: every query equals a full scan", () => {
  fc.assert(fc.property(commands, (list) => {
    const catalog = createCatalog();
    const oracle = new Oracle();
    for (const command of [...preamble, ...list]) {
      step(catalog, command);
      oracle.apply(command);
      compare(catalog, oracle);
    }
  }), { numRuns: 40 });
});

test("pitfall 13: random commands: equal entries give equal hashes and snapshots, a restored one included", () => {
  fc.assert(fc.property(commands, fc.nat(40), (list, restoreAt) => {
    const one = createCatalog();
    let other = createCatalog();
    for (const [i, command] of [...preamble, ...list].entries()) {
      step(one, command);
      step(other, command);
      expect(other.stateHash()).toBe(one.stateHash());
      const restored = createCatalog();
      const bytes = one.snapshot();
      restored.restore(bytes);
      expect(restored.stateHash()).toBe(one.stateHash());
      expect(restored.snapshot()).toEqual(bytes);
      for (const topic of TOPICS) {
        expect(restored.indexOf(topic)).toBe(one.indexOf(topic));
        expect(restored.topicItems(topic)).toEqual(one.topicItems(topic));
      }
      if (i === restoreAt) other = restored;
    }
  }), { numRuns: 12 });
});

test("pitfall 14: deltas replayed at random moments give what the topic is, and no index goes back", () => {
  const also = fc.constantFrom("look", "look", "nothing", "nothing", "nothing", "restore");
  fc.assert(fc.property(fc.array(fc.tuple(anyCommand, also), long), (list) => {
    const catalog = createCatalog();
    const held = new Map(TOPICS.map((topic) => [topic, { index: 0, items: new Map<string, object>() }]));
    const before = new Map<string, { index: number; text: string }>();
    let touched: ReadonlySet<string> = new Set();
    catalog.onChange((_index, topics) => { touched = topics; });
    for (const [command, then] of [...preamble.map((c) => [c, "look"] as const), ...list]) {
      touched = new Set();
      step(catalog, command);
      for (const topic of TOPICS) {
        const index = catalog.indexOf(topic);
        const text = JSON.stringify([...catalog.topicItems(topic)]);
        const last = before.get(topic);
        expect(index).toBeGreaterThanOrEqual(last?.index ?? 0);
        if (last !== undefined && last.text !== text) {
          expect([index, touched.has(topic), [...touched].some((t) => sourcesOf(topic).includes(t))])
            .toEqual([catalog.appliedIndex, true, true]);
        }
        before.set(topic, { index, text });
        if (then === "look") follow(catalog, topic, held.get(topic)!);
      }
      if (then === "restore") catalog.restore(catalog.snapshot());
    }
  }), { numRuns: 40 });
});

function follow(catalog: Catalog, topic: string, held: { index: number; items: Map<string, object> }): void {
  const changes = catalog.changesSince(topic, held.index);
  if (changes === undefined) {
    held.items = catalog.topicItems(topic);
  } else {
    for (const [key, item] of changes.upserts) held.items.set(key, item);
    for (const key of changes.deletes) held.items.delete(key);
  }
  held.index = catalog.indexOf(topic);
  expect(held.items).toEqual(catalog.topicItems(topic));
}
