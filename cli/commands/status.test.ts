import { expect, test } from "vitest";
import type { Status } from "../api-agent.ts";
import { createStyle } from "../terminal.ts";
import { renderStatus } from "./status.ts";

const hours = (count: number): string => new Date(Date.now() + count * 3_600_000 + 30_000).toISOString();

const FOUND: Status = {
  node: "h1", cluster: "c1", trust_domain: "c1.mesh", advertise: "10.0.0.1", inbound_port: 15008,
  agent: { pid: 7, started_at: hours(-2) },
  proxy: { state: "ok", pid: 8, acked_version: 3, restarts: 1 },
  servers: { connected: false, addresses: ["s1:8300"], last_contact: hours(-1) },
  node_cert: { not_after: hours(48), hours_left: 48 },
  certs: [
    { service: "default/web", not_after: hours(11), hours_left: 11 },
    { service: "default/new", not_after: "", hours_left: 0 },
  ],
  services: [
    { id: "web", service: "default/web", status: "passing" },
    { id: "db", service: "default/db", status: "critical" },
  ],
  warnings: ["no server answers: refused\u001b[2J"],
};

test("status says in a few lines what is well and how long, warnings last", () => {
  const lines = renderStatus(FOUND, createStyle(false, false)).trimEnd().split("\n");
  expect(lines).toEqual([
    "node                  h1 (10.0.0.1, inbound 15008)",
    "cluster               c1, trust domain c1.mesh",
    "agent                 ok, pid 7, started 1h 59m ago",
    "proxy                 ok, pid 8, configuration 3, 1 restart",
    "servers               away (s1:8300), last contact 59m 30s ago",
    "host certificate      2d left",
    "service certificates  2, the first has 11h left",
    "services              1 of 2 passing (db critical)",
    "! no server answers: refused",
  ]);
});
