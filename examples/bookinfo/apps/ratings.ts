import type { Server } from "node:http";
import type { LedgerClient } from "./ledger.ts";
import { json, webServer } from "./web.ts";

/** `GET /ratings/:id`: stars of each reviewer, and how often they were asked for (counted by the TCP ledger). */
export function ratings(ledger: LedgerClient | undefined): Server {
  return webServer((path) => {
    const id = /^\/ratings\/(\d+)$/.exec(path)?.[1];
    return id === undefined ? undefined : async () => {
      // A page without the counter is better than no page.
      const asked = await ledger?.hit(`ratings-${id}`).catch(() => null) ?? null;
      return json({ id: Number(id), ratings: { Reviewer1: 5, Reviewer2: 4 }, asked });
    };
  });
}
