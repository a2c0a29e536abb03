import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Encode, toBase64 } from "../base/bytes.ts";
import { MeshError } from "../base/errors.ts";
import { checkTicketTime, encodeTicket, isAllowPattern, parseTicket, redactTicket } from "./ticket.ts";
import type { Ticket } from "./ticket.ts";

const SECRET = "s3cr3t-s3cr3t-s3cr3t-s3cr3t";
const TICKET: Ticket = {
  cluster: "c1", servers: ["10.0.0.1:8501", "[fd00::1]:8501", "s.example:8501"], rootSha256: "ab".repeat(32),
  id: "t1", secret: SECRET, expMs: 1_800_000_000_000, role: "agent", node: "host-1", allow: ["default/web", "shop/*"],
};

const label = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?$/);
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const tickets: fc.Arbitrary<Ticket> = fc.record({
  cluster: token,
  servers: fc.array(fc.tuple(label, fc.integer({ min: 1, max: 65_535 })).map(([h, p]) => `${h}:${p}`), {
    minLength: 1, maxLength: 5,
  }),
  rootSha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  id: token,
  secret: fc.stringMatching(/^[A-Za-z0-9_-]{22,64}$/),
  expMs: fc.integer({ min: 0, max: 4_000_000_000 }).map((s) => s * 1000),
  role: fc.constantFrom("agent" as const, "server" as const),
  node: label,
  allow: fc.array(fc.oneof(fc.constant("*"), fc.tuple(label, label).map(([a, b]) => `${a}/${b}`)), { maxLength: 5 }),
}, { requiredKeys: ["cluster", "servers", "rootSha256", "id", "secret", "expMs", "role", "allow"] });

function errorOf(run: () => unknown): MeshError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError);
    return error as MeshError;
  }
  throw new Error("nothing was thrown");
}

const wire = (change: Record<string, unknown>): string => {
  const all = {
    cluster: "c1", servers: ["a:1"], root_sha256: "ab".repeat(32), id: "t1", secret: SECRET, exp: 1, role: "agent",
    allow: [], ...change,
  };
  return `mesh1.${toBase64(utf8Encode(JSON.stringify(all)), "url")}`;
};

test("every ticket reads back, whatever white space surrounds it", () => {
  fc.assert(fc.property(tickets, fc.stringMatching(/^[ \t\r\n]{0,3}$/), (ticket, space) => {
    expect({ ...parseTicket(`${space}${encodeTicket(ticket)}${space}`) }).toEqual(ticket);
  }));
});

test("the wire form is the one that is written down", () => {
  const body = encodeTicket(TICKET).replace(/^mesh1\./, "");
  expect(JSON.parse(Buffer.from(body, "base64url").toString())).toEqual({
    cluster: "c1", servers: TICKET.servers, root_sha256: TICKET.rootSha256, id: "t1", secret: SECRET,
    exp: 1_800_000_000, role: "agent", node: "host-1", allow: ["default/web", "shop/*"],
  });
});

describe("every error says what is wrong", () => {
  test.each([
    ["", "is empty"],
    ["   \n", "is empty"],
    ["hello", 'begins with "mesh1."'],
    ["mesh2.abc", "another version"],
    ["mesh1.", "not JSON"],
    ["mesh1.e30", '"servers"'],
    [`${encodeTicket(TICKET).slice(0, 60)}\n${encodeTicket(TICKET).slice(60)}`, "copy it as one line"],
    [encodeTicket(TICKET).slice(0, 100), "cut short"],
    ["mesh1.!!!!", "does not decode"],
    [`mesh1.${toBase64(utf8Encode("[]"), "url")}`, "no object"],
    [`mesh1.${"a".repeat(70_000)}`, "longer than"],
    [wire({ servers: [] }), '"servers" is empty'],
    [wire({ servers: "a:1" }), '"servers" is not a list'],
    [wire({ servers: ["a"] }), '"a", which is not HOST:PORT'],
    [wire({ servers: ["a:0"] }), "which is not HOST:PORT"],
    [wire({ servers: ["a:65536"] }), "which is not HOST:PORT"],
    [wire({ servers: ["a/b:1"] }), "which is not HOST:PORT"],
    [wire({ servers: Array.from({ length: 33 }, () => "a:1") }), "more than 32"],
    [wire({ root_sha256: "AB".repeat(32) }), '"root_sha256" is malformed'],
    [wire({ root_sha256: undefined }), '"root_sha256" is missing'],
    [wire({ id: "a b" }), '"id" is malformed'],
    [wire({ cluster: 7 }), '"cluster" is malformed'],
    [wire({ secret: "short" }), '"secret" is malformed'],
    [wire({ exp: "tomorrow" }), '"exp" is not a time'],
    [wire({ exp: 1.0001 }), '"exp" is not a time'],
    [wire({ role: "admin" }), '"role" is neither'],
    [wire({ node: "a/b" }), '"node" is not'],
    [wire({ allow: ["web"] }), '"web", which is not NAMESPACE/SERVICE'],
    [wire({ allow: [1] }), '"allow" is not a list'],
  ])("%j", (text, expected) => {
    const error = errorOf(() => parseTicket(text));
    expect(error.code).toBe("INVALID_TICKET");
    expect(error.message).toContain(expected);
    expect(error.fix).toContain("mesh acl ticket create");
  });

  test("an unknown field passes: a later version may add one", () => {
    expect(parseTicket(wire({ colour: "blue" })).id).toBe("t1");
  });

  test("no error shows the secret", () => {
    const text = encodeTicket(TICKET);
    fc.assert(fc.property(fc.integer({ min: 0, max: text.length - 1 }), fc.constantFrom("", "A", "*", " "), (at, c) => {
      const broken = text.slice(0, at) + c + text.slice(at + 1);
      try {
        parseTicket(broken);
      } catch (error) {
        expect(error).toBeInstanceOf(MeshError);
        const shown = [String(error), JSON.stringify(error), String((error as MeshError).cause)];
        expect(shown.join()).not.toContain("s3cr3t");
      }
    }));
  });
});

test("pitfall 52: a parsed ticket shows itself without its secret", async () => {
  const { inspect } = await import("node:util");
  const ticket = parseTicket(encodeTicket(TICKET));
  expect(ticket.secret).toBe(SECRET);
  // oxlint-disable-next-line typescript/no-base-to-string -- its own toString is what is tested
  const texts = [JSON.stringify({ ticket }), inspect({ ticket }), String(ticket), JSON.stringify(redactTicket(TICKET))];
  for (const shown of texts) {
    expect(shown).not.toContain(SECRET);
    expect(shown).toContain("hidden");
  }
});

test("a ticket ends at its time", () => {
  expect(() => checkTicketTime(TICKET, TICKET.expMs - 1)).not.toThrow();
  expect(errorOf(() => checkTicketTime(TICKET, TICKET.expMs)).message).toBe("the ticket has expired 1 minute ago");
  expect(errorOf(() => checkTicketTime(TICKET, TICKET.expMs + 90_000)).message).toContain("2 minutes ago");
});

test("what a host may be", () => {
  for (const good of ["*", "default/web", "shop/*"]) expect(isAllowPattern(good)).toBe(true);
  const wrong = ["", "web", "*/web", "a/b/c", "a/", "/b", "a/b*", "A/b", "**"];
  for (const bad of wrong) expect(isAllowPattern(bad)).toBe(false);
});
