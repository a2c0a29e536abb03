import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MeshError } from "../base/errors.ts";
import {
  isNodeName, isTrustDomain, nodeSpiffeId, parseSni, parseSpiffeId, serverSni, serverSpiffeId, serviceSni,
  serviceSpiffeId, splitSpiffeId, trustDomainId,
} from "./spiffe.ts";

const TD = "c1.mesh";
const label = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?$/);

describe("SPIFFE-ID.md 2: the grammar", () => {
  test.each([
    "spiffe://example.org",
    "spiffe://example.org/path",
    "spiffe://example.org/path/element",
    "spiffe://example.org/9eebccd2-12bf-40a6-b262-65fe0487d453",
    "spiffe://a_b-c.d/A/b.c/_/-/...",
    `spiffe://${"a".repeat(255)}/x`,
    `spiffe://a/${"p".repeat(2048 - "spiffe://a/".length)}`,
  ])("accepts %s", (uri) => {
    expect(splitSpiffeId(uri)).toBeDefined();
  });

  test.each([
    ["empty", ""],
    ["no scheme", "example.org/a"],
    ["another scheme", "https://example.org/a"],
    ["upper case scheme", "SPIFFE://example.org/a"],
    ["one slash", "spiffe:/example.org/a"],
    ["no trust domain", "spiffe://"],
    ["no trust domain, a path", "spiffe:///a"],
    ["upper case trust domain", "spiffe://Example.org/a"],
    ["port", "spiffe://example.org:80/a"],
    ["user", "spiffe://me@example.org/a"],
    ["percent encoding in the trust domain", "spiffe://ex%61mple.org/a"],
    ["non-ASCII trust domain", "spiffe://exämple.org/a"],
    ["trust domain too long", `spiffe://${"a".repeat(256)}/x`],
    ["trailing slash", "spiffe://example.org/"],
    ["trailing slash after a path", "spiffe://example.org/a/"],
    ["empty segment", "spiffe://example.org/a//b"],
    ["dot segment", "spiffe://example.org/./a"],
    ["dot-dot segment", "spiffe://example.org/a/../b"],
    ["percent encoding", "spiffe://example.org/%61"],
    ["query", "spiffe://example.org/a?b=c"],
    ["fragment", "spiffe://example.org/a#b"],
    ["space", "spiffe://example.org/a b"],
    ["leading space", " spiffe://example.org/a"],
    ["line end", "spiffe://example.org/a\n"],
    ["NUL", "spiffe://example.org/a\0"],
    ["non-ASCII path", "spiffe://example.org/ä"],
    ["too long", `spiffe://a/${"p".repeat(2049 - "spiffe://a/".length)}`],
  ])("refuses: %s", (_why, uri) => {
    expect(splitSpiffeId(uri)).toBeUndefined();
    expect(parseSpiffeId(uri)).toBeUndefined();
  });
});

describe("the mesh's own forms", () => {
  test("write and read", () => {
    expect(serviceSpiffeId(TD, { namespace: "shop", name: "web" })).toBe("spiffe://c1.mesh/ns/shop/sa/web");
    expect(nodeSpiffeId(TD, "host-1.example")).toBe("spiffe://c1.mesh/node/host-1.example");
    expect(serverSpiffeId(TD, "s1")).toBe("spiffe://c1.mesh/server/s1");
    expect(trustDomainId(TD)).toBe("spiffe://c1.mesh");
    expect(serverSni(TD)).toBe("server.c1.mesh");
    expect(parseSpiffeId("spiffe://c1.mesh/server/s1")).toEqual({ trustDomain: TD, kind: "server", name: "s1" });
  });

  test("every service's ID reads back", () => {
    fc.assert(fc.property(label, label, (namespace, name) => {
      const id = parseSpiffeId(serviceSpiffeId(TD, { namespace, name }));
      expect(id).toEqual({ trustDomain: TD, kind: "service", namespace, name });
    }));
  });

  test.each([
    "spiffe://c1.mesh", "spiffe://c1.mesh/web", "spiffe://c1.mesh/ns/default", "spiffe://c1.mesh/ns/default/sa",
    "spiffe://c1.mesh/ns/default/sa/web/x", "spiffe://c1.mesh/sa/default/ns/web", "spiffe://c1.mesh/ns/Default/sa/web",
    "spiffe://c1.mesh/ns/default/sa/we_b", "spiffe://c1.mesh/node", "spiffe://c1.mesh/node/a/b",
    "spiffe://c1.mesh/node/-a", "spiffe://c1.mesh/Server/a",
  ])("does not read %s", (uri) => {
    expect(parseSpiffeId(uri)).toBeUndefined();
  });

  test("a name that would change the ID's meaning is refused", () => {
    for (const node of ["a/b", "..", "", "a b", "server/x", "a?b", "ä"]) {
      expect(isNodeName(node)).toBe(false);
      expect(() => nodeSpiffeId(TD, node)).toThrow(MeshError);
    }
    expect(() => serviceSpiffeId(TD, { namespace: "a/sa/b", name: "c" })).toThrow(MeshError);
    expect(() => serverSpiffeId("Not A Domain", "s1")).toThrow(MeshError);
  });

  test("trust domains", () => {
    for (const good of ["c1.mesh", "mesh", "0b3d-1.mesh.example"]) expect(isTrustDomain(good)).toBe(true);
    for (const bad of ["", ".", "a..b", "A.mesh", "a_b", "-a", "a.mesh.", "a".repeat(64), `${"a.".repeat(60)}aa`]) {
      expect(isTrustDomain(bad)).toBe(false);
    }
  });
});

describe("server names", () => {
  test("every service's full name and every short name read back", () => {
    fc.assert(fc.property(label, label, (namespace, name) => {
      expect(parseSni(serviceSni(TD, { namespace, name }), TD)).toEqual({ namespace, name });
      expect(parseSni(name, TD)).toEqual({ namespace: "default", name });
    }));
    expect(parseSni("Web.Default.SVC.c1.mesh", TD)).toEqual({ namespace: "default", name: "web" });
  });

  test.each([
    "", ".", "web.default", "web.default.svc", "web.default.svc.c2.mesh", "web.default.svc.c1.mesh.",
    "web..svc.c1.mesh", ".default.svc.c1.mesh", "a.web.default.svc.c1.mesh", ".svc.c1.mesh", "svc.c1.mesh",
    "we_b.default.svc.c1.mesh",
    "server.c1.mesh",
  ])("does not read %j", (sni) => {
    expect(parseSni(sni, TD)).toBeUndefined();
  });
});
