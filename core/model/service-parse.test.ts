import { expect, test } from "vitest";
import { MeshError } from "../base/errors.ts";
import { parseServiceDefinitions } from "./service-parse.ts";

const REVIEWS = `{
  "service": {
    "name": "reviews",
    "id": "reviews-v1",
    "port": 9080,
    "tags": ["v1"],
    "meta": { "version": "v1", "app": "reviews" },
    "checks": [
      { "id": "reviews-http", "http": "http://127.0.0.1:9080/health", "interval": "2s", "timeout": "1s" }
    ],
    "connect": {
      "sidecar_service": {
        "proxy": {
          "upstreams": [
            { "destination_name": "ratings", "local_bind_port": 9191 }
          ]
        }
      }
    }
  }
}
`;

const parse = (text: string, file = "service.json") => parseServiceDefinitions(text, { file });

function errorOf(text: string, file?: string): MeshError {
  try {
    parse(text, file);
  } catch (error) {
    if (error instanceof MeshError) return error;
    throw error;
  }
  throw new Error("accepted");
}

test("the example file, verbatim, with every default filled in", () => {
  expect(parse(REVIEWS)).toEqual({
    warnings: [],
    services: [{
      id: "reviews-v1", name: "reviews", namespace: "default", address: "", port: 9080, protocol: "auto",
      tags: ["v1"], meta: { version: "v1", app: "reviews" }, weights: { passing: 1, warning: 1 },
      checks: [{
        id: "reviews-http", name: "Service 'reviews' check", notes: "",
        probe: { type: "http", url: "http://127.0.0.1:9080/health", method: "GET", body: "", headers: {},
          tlsSkipVerify: false },
        intervalMs: 2_000, timeoutMs: 1_000, initialStatus: "critical",
        successBeforePassing: 0, failuresBeforeWarning: 0, failuresBeforeCritical: 0, deregisterCriticalAfterMs: 0,
      }],
      upstreams: [{
        namespace: "default", name: "ratings", bindAddress: "127.0.0.1", bindPort: 9191, bindSocketPath: "",
        bindSocketMode: "0600", protocol: undefined, balance: undefined, connectTimeoutMs: undefined,
      }],
    }],
  });
});

test("CamelCase as the Go client sends it, nulls and defaults of unsupported fields included", () => {
  const { services, warnings } = parse(JSON.stringify({
    Kind: "", ID: "web1", Name: "web", Tags: null, Port: 80, Address: "10.0.0.1", EnableTagOverride: false,
    Weights: { Passing: 10, Warning: 2 }, Namespace: "shop", Proxy: null, Meta: { a: "b" },
    Check: { CheckID: "c", TTL: 15_000_000_000, Status: "passing", DeregisterCriticalServiceAfter: "1m", HTTP: "",
      GRPC: "", TCP: "", Args: null, Header: null, TLSSkipVerify: false, Interval: "", Timeout: "0s" },
    Connect: { Native: false, SidecarService: { Port: 20000, Proxy: {
      Config: { protocol: "tcp" },
      Upstreams: [{ DestinationType: "service", DestinationName: "db", DestinationNamespace: "data",
        LocalBindSocketPath: "/run/db.sock", LocalBindSocketMode: "0660",
        Config: { connect_timeout_ms: 500, protocol: "tcp", balance: "round_robin" } }],
    } } },
  }), "body");
  expect(services[0]).toMatchObject({
    id: "web1", name: "web", namespace: "shop", port: 80, address: "10.0.0.1", protocol: "tcp",
    weights: { passing: 10, warning: 2 },
    checks: [{ id: "c", probe: { type: "ttl", ttlMs: 15_000 }, initialStatus: "passing",
      deregisterCriticalAfterMs: 60_000 }],
    upstreams: [{ namespace: "data", name: "db", bindAddress: "", bindPort: 0, bindSocketPath: "/run/db.sock",
      bindSocketMode: "0660", protocol: "tcp", balance: "round_robin", connectTimeoutMs: 500 }],
  });
  expect(warnings).toEqual([
    expect.stringMatching(/^body:1:\d+: service.Connect.SidecarService.Port is ignored: one proxy per host/),
  ]);
});

test("YAML, several services and documents, bare and wrapped, an id for each check", () => {
  const text = `services:
  - name: web
    port: 80
    checks:
      - {tcp: "127.0.0.1:80", interval: 1m30s}
      - {args: [/bin/true, -x]}
      - {script: exit 1}
      - {grpc: "[::1]:50051/orders", grpc_use_tls: true}
---
name: job
connect: {sidecar_service: {proxy: {upstreams: [{destination_name: web, local_bind_port: 8081}]}}}
---
- {name: c, port: 1}
`;
  const { services } = parse(text, "all.yaml");
  expect(services.map((s) => [s.id, s.port])).toEqual([["web", 80], ["job", 0], ["c", 1]]);
  expect(services[0]!.checks.map((c) => [c.id, c.probe])).toEqual([
    ["service:web:1", { type: "tcp", host: "127.0.0.1", port: 80 }],
    ["service:web:2", { type: "script", args: ["/bin/true", "-x"] }],
    ["service:web:3", { type: "script", args: ["/bin/sh", "-c", "exit 1"] }],
    ["service:web:4", { type: "grpc", host: "::1", port: 50_051, service: "orders", useTls: true }],
  ]);
  expect(services[0]!.checks[0]!.intervalMs).toBe(90_000);
});

test("an upstream without a namespace is in the caller's own", () => {
  const text = "{name: web, namespace: shop, port: 1, connect: {sidecar_service: {proxy: {upstreams: " +
    "[{destination_name: db, local_bind_port: 2}]}}}}";
  expect(parse(text).services[0]!.upstreams[0]).toMatchObject({ namespace: "shop", name: "db" });
});

test("an error names file, line, column, path, what is allowed and what was there, and the line to write", () => {
  const error = errorOf(REVIEWS.replace('"port": 9080', '\n\n"port": "8080"'));
  expect(error.code).toBe("INVALID_SERVICE");
  expect(error.message).toBe('service.json:7:9: service.port must be a number from 1 to 65535, got "8080" (string)');
  expect(error.fix).toBe('"port": 8080');
});

test("all errors at once, in the order of the text", () => {
  const error = errorOf("name: Web_1\nprotocol: htp\nprot: 80\nport: 70000\nweights: {passing: -1}\n", "w.yaml");
  expect(error.message.split("\n")).toEqual([
    'w.yaml:1:7: service.name must be lower case letters, digits and inner hyphens, at most 63 characters, ' +
      'got "Web_1" (string)',
    'w.yaml:2:11: service.protocol must be one of "http", "tcp", "auto", got "htp" (string)',
    "w.yaml:3:1: service.prot is not a known field",
    "w.yaml:4:7: service.port must be a number from 1 to 65535, got 70000",
    "w.yaml:5:20: service.weights.passing must be a number from 0 to 65535, got -1",
  ]);
  expect(error.fix).toBe('name: web-1\ndid you mean protocol: http?\ndid you mean "port"?');
});

const one = (field: string): string => `{"name": "web", "port": 80,\n${field}}`;
const check = (body: string): string => one(`"check": {${body}}`);
const upstream = (body: string): string =>
  one(`"connect": {"sidecar_service": {"proxy": {"upstreams": [{"destination_name": "db", ${body}}]}}}`);

test.each([
  // Broken text
  ['{"name": "web",, "port": 80}', /^service.json:1:16: is not JSON: Expected double-quoted property name/],
  ["{", /^service.json:1:2: is not JSON: Expected property name or '}'/],
  ["name: [", /^service.json:/],
  ["", /^service.json:1:1: holds no service definition/],
  ["42", /a service definition must be an object, got 42/],
  ['{"services": [1]}', /1:15: services\[0\] must be an object, got 1/],
  ['{"servics": [], "service": {"name":"a","port":1}}', /1:2: servics is not a known field/],
  ['{"name": "web", "name": "api", "port": 1}', /is not JSON|unique|twice/i],
  ['{"name": "web", "Name": "api", "port": 1}', /1:17: service.Name is given twice \(name\)/],
  ['{"services": [{"name":"a","port":1},{"name":"a","port":2}]}', /services\[1\].id "a" is used twice/],
  // The service
  ["{}", /^service.json:1:1: service.name is missing: it must be lower [^\n]*\n.*service.port is missing: it must be/],
  [one('"id": "a/b"'), /2:7: service.id must be letters, digits and .* got "a\/b" \(string\)/],
  [one('"namespace": "dc"'), /service.namespace must be a word that DNS names do not use/],
  [one('"address": "localhost"'), /service.address must be an IP address of this host, got "localhost"/],
  [one('"address": "300.1.1.1"'), /service.address must be an IP address of this host/],
  [one('"meta": {"n": 1}'), /2:15: service.meta.n must be a string, got 1$/],
  [one('"meta": {"__proto__": {"x": 1}}'), /service.meta.__proto__: a meta key is letters, digits/],
  [one('"tags": "v1"'), /service.tags must be a list of strings, got "v1"/],
  [one('"tags": [1]'), /service.tags\[0\] must be a string, got 1/],
  [one('"enable_tag_override": true'), /2:1: service.enable_tag_override is not supported/],
  [one('"kind": "connect-proxy"'), /service.kind is not supported/],
  [one('"connect": {"native": true}'), /service.connect.native is not supported/],
  [one('"connect": {"sidecar_service": {"proxy": {"mode": "transparent"}}}'), /proxy.mode is not supported/],
  // Checks
  [check('"interval": "1s"'), /service.check says nothing to do: give one of http, tcp, ttl, args, script, grpc/],
  [check('"http": "http://a/", "tcp": "a:1"'), /service.check has http and tcp: a check is one of/],
  [check('"http": "127.0.0.1/health"'), /service.check.http must be a URL such as .* got "127.0.0.1\/health"/],
  [check('"http": "http://a:99999/"'), /service.check.http must be a URL/],
  [check('"http": "http://a/", "intervall": "1s"'), /service.check.intervall is not a known field/],
  [check('"http": "http://a/", "interval": "soon"'), /check.interval must be a duration from 100ms to 24h such as/],
  [check('"ttl": 30'), /check.ttl must be a duration .*\(a bare number is nanoseconds\), got 30/],
  [check('"tcp": "127.0.0.1"'), /check.tcp must be an address and port such as/],
  [check('"args": []'), /check.args must be a program and its arguments/],
  [check('"docker_container_id": "x", "http": "http://a/"'), /check.docker_container_id is not supported/],
  [check('"http": "http://a/", "header": {"a": ["x\\r\\ny"]}'), /check.header.a must be a list of strings/],
  [one('"checks": [{"id": "a", "ttl": "9s"}, {"id": "a", "ttl": "9s"}]'), /service.checks\[1\].id "a" is used twice/],
  // Upstreams
  [upstream('"local_bind_port": 0'), /upstreams\[0\].local_bind_port must be a number from 1 to 65535, got 0/],
  [upstream('"destination_type": "service"'), /upstreams\[0\].local_bind_port is missing/],
  [upstream('"local_bind_port": 1, "local_bind_socket_path": "/x"'), /has both local_bind_port and local_bind_socket/],
  [upstream('"local_bind_socket_path": "x"'), /must be an absolute path/],
  [upstream('"local_bind_port": 1, "local_bind_address": "here"'), /bind_address must be an IP address, got "here"/],
  [upstream('"local_bind_port": 1, "destination_type": "prepared_query"'), /type "prepared_query" is not/],
  [upstream('"local_bind_port": 1, "config": {"connect_timeout_ms": "5s"}'), /connect_timeout_ms must be a num/],
  [upstream('"local_bind_port": 1}, {"destination_name": "x", "local_bind_port": 1'), /listens on 127.0.0.1:1 as/],
])("refuses %s", (text, message) => {
  expect(errorOf(text).message).toMatch(message);
});

test.each([
  [check('"http": "http://a/", "intervall": "1s"'), 'did you mean "interval"?'],
  [one('"upstream": []'), "known fields: "],
  [check('"ttl": 30'), '"ttl": "30s"'],
  [one('"meta": {"n": 1}'), '"n": "1"'],
  [one('"address": "localhost"'), '"address": "127.0.0.1"'],
])("the fix of %s", (text, fix) => {
  expect(errorOf(text).fix).toContain(fix);
});

test("YAML aliases cannot blow a small text up", () => {
  const bomb = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 9; i++) bomb.push(`a${i}: &a${i} [${Array.from({ length: 9 }, () => `*a${i - 1}`).join(",")}]`);
  expect(errorOf(bomb.join("\n"), "b.yaml").message).toMatch(/is too large/);
});

test("meta cannot change the labels app and service: accepted, with a warning", () => {
  expect(parse(one('"meta": {"app": "other"}')).warnings)
    .toEqual(['service.json:2:17: service.meta.app does not change the label "app", which is always "web"']);
});

test("an upstream that other hosts can reach is accepted with a warning", () => {
  expect(parse(upstream('"local_bind_port": 1, "local_bind_address": "0.0.0.0"')).warnings[0])
    .toMatch(/is no loopback address: whoever reaches it calls as this service/);
});
