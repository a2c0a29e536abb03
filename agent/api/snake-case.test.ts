import { expect, test } from "vitest";
import { snakeCase } from "./snake-case.ts";

test("names at every depth, and no value", () => {
  expect(snakeCase({ spiffeId: "notAfter", certs: [{ chainPem: "aB", n: 1 }], lastError: null, up: true })).toEqual({
    spiffe_id: "notAfter", certs: [{ chain_pem: "aB", n: 1 }], last_error: null, up: true,
  });
});
