/**
 * Starts one of the applications: `main.ts reviews --version v2 --port 0 --ratings-port 9191`. Says where it listens
 * with one line of JSON on standard output. None of them knows of the mesh: they call 127.0.0.1 and a port.
 */
import type { AddressInfo, Server } from "node:net";
import { parseArgs } from "node:util";
import { details } from "./details.ts";
import { LedgerClient, ledger } from "./ledger.ts";
import { productpage } from "./productpage.ts";
import { ratings } from "./ratings.ts";
import { type ReviewsOptions, reviews } from "./reviews.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string", default: "0" },
    version: { type: "string", default: "v1" },
    "details-port": { type: "string", default: "9091" },
    "reviews-port": { type: "string", default: "9092" },
    "ratings-port": { type: "string", default: "9191" },
    "ledger-port": { type: "string", default: "9291" },
  },
});

const applications: Readonly<Record<string, () => Server>> = {
  productpage: () => productpage({
    detailsPort: Number(values["details-port"]), reviewsPort: Number(values["reviews-port"]),
  }),
  details,
  reviews: () => reviews({
    version: values.version as ReviewsOptions["version"], ratingsPort: Number(values["ratings-port"]),
  }),
  ratings: () => ratings(new LedgerClient(Number(values["ledger-port"]))),
  ledger,
};

const name = positionals[0] ?? "";
const start = applications[name];
if (start === undefined) {
  console.error(`there is no application "${name}": use ${Object.keys(applications).join(", ")}`);
  process.exit(2);
}
const server = start();
server.listen(Number(values.port), "127.0.0.1", () => {
  console.log(JSON.stringify({ application: name, port: (server.address() as AddressInfo).port }));
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(0));
