import { describe, expect, test } from "vitest";
import { MeshError } from "../base/errors.ts";
import { parseIntentionBody, parseIntentionSide } from "./intention-parse.ts";

describe("a side as text", () => {
  test.each([
    ["web", "default", "web"], ["shop/web", "shop", "web"], ["*", "default", "*"], ["shop/*", "shop", "*"],
    ["*/*", "*", "*"],
  ])("%s is %s/%s, as in Consul", (text, namespace, name) => {
    expect(parseIntentionSide(text)).toEqual({ namespace, name });
  });

  test.each(["", "*/web", "We b", "a/b/c", "web*", "shop/", "service/web"])("%j is refused with the forms", (text) => {
    expect(() => parseIntentionSide(text)).toThrow(MeshError);
  });
});

describe("Consul's body", () => {
  const full = {
    ID: "e9ebc19f-d481-42b1-4871-4d298d3acd5c", SourceNS: "shop", SourceName: "web", SourceType: "consul",
    DestinationNS: "default", DestinationName: "db", Action: "allow", Description: "why", Meta: { team: "x" },
    Precedence: 9, CreatedAt: "2018-05-21T16:41:27.977155457Z", UpdatedAt: "2018-05-21T16:41:27.977157724Z",
    CreateIndex: 11, ModifyIndex: 11,
  };
  const draft = {
    id: full.ID, source: { namespace: "shop", name: "web" }, destination: { namespace: "default", name: "db" },
    action: "allow", description: "why", meta: { team: "x" },
  };

  test("what the API gives, it takes", () => expect(parseIntentionBody(JSON.stringify(full))).toEqual(draft));

  test("snake_case", () => {
    const body = { source_ns: "shop", source_name: "web", destination_name: "db", action: "allow", description: "why",
      meta: { team: "x" }, id: full.ID };
    expect(parseIntentionBody(JSON.stringify(body))).toEqual(draft);
  });

  test("the sides come from the query of /exact", () => {
    const sides = { source: { namespace: "default", name: "*" }, destination: { namespace: "default", name: "db" } };
    expect(parseIntentionBody('{"Action":"deny"}', sides)).toMatchObject({ ...sides, action: "deny", id: undefined });
  });

  test.each([
    ["no action", { SourceName: "web", DestinationName: "db" }, "Action is missing"],
    ["another action", { ...full, Action: "permit" }, 'Action must be one of "allow", "deny", got "permit"'],
    ["no source", { DestinationName: "db", Action: "allow" }, "SourceName is missing"],
    ["an unknown field", { ...full, Acton: 1 }, "Acton is not a known field"],
    ["L7 permissions", { ...full, Permissions: [{ Action: "allow" }] }, "Permissions is not supported"],
    ["a foreign source type", { ...full, SourceType: "vm" }, "SourceType must be one of"],
    ["a partial wildcard", { ...full, SourceName: "we*" }, "neither a lower case label nor *"],
    ["a name in every namespace", { ...full, SourceNS: "*" }, "one name in every namespace"],
    ["meta that is no text", { ...full, Meta: { a: 1 } }, "Meta.a must be a string, got 1"],
  ])("refused: %s", (_title, body, message) => {
    expect(() => parseIntentionBody(JSON.stringify(body))).toThrow(message);
  });

  test("refused: a body that contradicts the query", () => {
    const options = { source: { namespace: "default", name: "api" } };
    expect(() => parseIntentionBody(JSON.stringify(full), options)).toThrow("shop/web in the body and default/api");
  });

  test.each(["", "[]", "{", "3", "{}{}"])("refused: %j", (text) => {
    expect(() => parseIntentionBody(text)).toThrow(MeshError);
  });
});
