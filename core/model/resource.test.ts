import { describe, expect, test } from "vitest";
import { MeshError } from "../base/errors.ts";
import { parseResources } from "./resource.ts";
import { serviceDefaultsOf } from "./service-defaults.ts";

const file = { file: "web.yaml" };
const DEFAULTS = `
apiVersion: mesh/v1
kind: ServiceDefaults
metadata: {name: web}
spec:
  protocol: http
  balance: least_request
  connect_timeout: 1500ms
`;

function errorOf(text: string): MeshError {
  try {
    parseResources(text, file);
  } catch (error) {
    if (error instanceof MeshError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("ServiceDefaults", () => {
  test("is stored whole, and compiles to what proxies use", () => {
    const { resources, warnings } = parseResources(DEFAULTS, file);
    expect(resources).toEqual([{ kind: "ServiceDefaults", namespace: "default", name: "web", document: {
      apiVersion: "mesh/v1", kind: "ServiceDefaults", metadata: { namespace: "default", name: "web" },
      spec: { protocol: "http", balance: "least_request", connect_timeout: "1500ms" },
    } }]);
    expect(serviceDefaultsOf(resources[0]!.document)).toEqual({
      protocol: "http", balance: "least_request", connectTimeoutMs: 1500,
    });
    expect(warnings).toEqual([]);
  });

  test("what is stored is taken again", () => {
    const { resources } = parseResources(DEFAULTS, file);
    expect(parseResources(JSON.stringify(resources[0]!.document), file).resources).toEqual(resources);
  });

  test("an empty spec and an unknown document compile to nothing", () => {
    for (const document of [{ spec: {} }, {}, null, "x", { spec: { protocol: "h3", connect_timeout: 5 } }]) {
      expect(serviceDefaultsOf(document)).toEqual({});
    }
  });

  test("an unknown field is named with its place and the nearest known name", () => {
    const error = errorOf(DEFAULTS.replace("connect_timeout", "conect_timeout"));
    expect(error.code).toBe("INVALID_RESOURCE");
    expect(error.message).toBe("web.yaml:8:3: spec.conect_timeout is not a known field");
    expect(error.fix).toBe('did you mean "connect_timeout"?');
  });

  test.each([
    ["another protocol", "protocol: http", "protocol: htp", 'spec.protocol must be one of "http", "tcp", "auto"'],
    ["another balance", "least_request", "random", "spec.balance must be one of"],
    ["no duration", "1500ms", "soon", "spec.connect_timeout must be a duration from 1ms to 1h"],
    ["too long a duration", "1500ms", "2h", "spec.connect_timeout must be a duration"],
    ["no name", "metadata: {name: web}", "metadata: {}", "metadata.name is missing"],
    ["no metadata", "metadata: {name: web}", "", "metadata.name is missing"],
    ["an upper case name", "name: web", "name: Web", "metadata.name must be lower case"],
    ["a reserved namespace", "name: web", "name: web, namespace: service", "a word that DNS names do not use"],
    ["no kind", "kind: ServiceDefaults", "", "kind is missing"],
    ["an unknown kind", "kind: ServiceDefaults", "kind: ServiceDefault", 'kind "ServiceDefault" (string) is not known'],
    ["another version", "mesh/v1", "mesh/v2", "apiVersion must be one of"],
    ["no version", "apiVersion: mesh/v1", "", "apiVersion is missing"],
    ["an unknown head field", "kind:", "status: {}\nkind:", "status is not a known field"],
  ])("refused: %s", (_title, from, to, message) => {
    expect(errorOf(DEFAULTS.replace(from, to)).message).toContain(message);
  });
});

describe("texts", () => {
  const two = `${DEFAULTS}---${DEFAULTS.replace("name: web", "name: api, namespace: shop")}`;

  test("several documents; all mistakes of all of them are reported at once", () => {
    const names = parseResources(two, file).resources.map((r) => `${r.namespace}/${r.name}`);
    expect(names).toEqual(["default/web", "shop/api"]);
    const lines = errorOf(two.replaceAll("protocol:", "protocl:")).message.split("\n");
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["web.yaml:6:3:", "web.yaml:14:3:"]);
  });

  test("a JSON list of documents", () => {
    const documents = parseResources(two, file).resources.map((r) => r.document);
    expect(parseResources(JSON.stringify(documents), file).resources).toHaveLength(2);
  });

  test("the same document twice is refused", () => {
    expect(errorOf(`${DEFAULTS}---${DEFAULTS}`).message).toContain("ServiceDefaults default/web is in this text twice");
  });

  test.each(["", "---\n", "- 3", "hello", "{"])("%j is refused", (text) => {
    expect(errorOf(text).code).toBe("INVALID_RESOURCE");
  });
});

describe("Intention", () => {
  const text = (spec: string): string => `{apiVersion: mesh/v1, kind: Intention, metadata: {name: w}, spec: {${spec}}}`;

  test("maps to an intention", () => {
    expect(parseResources(text("source: web, destination: {namespace: shop, name: '*'}, action: deny"), file)).toEqual({
      resources: [], warnings: [], intentions: [{
        id: "w", source: { namespace: "default", name: "web" }, destination: { namespace: "shop", name: "*" },
        action: "deny", description: "", meta: {},
      }],
    });
  });

  test("it needs no name, and takes the document's namespace", () => {
    const named = text("source: web, destination: a/b, action: allow").replace("name: w", "namespace: shop");
    expect(parseResources(named, file).intentions[0]).toMatchObject({
      id: undefined, source: { namespace: "shop", name: "web" }, destination: { namespace: "a", name: "b" },
    });
  });

  test.each([
    ["source: web, action: allow", "spec.destination is missing"],
    ["source: '*/web', destination: a, action: allow", "one name in every namespace"],
    ["source: [web], destination: a, action: allow", "spec.source must be a service name, got a list"],
    ["source: web, destination: a", "Action is missing"],
    ["source: web, destination: a, action: allow, port: 1", "spec.port is not a known field"],
  ])("refused: %s", (spec, message) => expect(errorOf(text(spec)).message).toContain(message));
});
