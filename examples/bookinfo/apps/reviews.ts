import type { Server } from "node:http";
import { get, json, parsed, webServer } from "./web.ts";

interface Ratings {
  readonly ratings: Readonly<Record<string, number>>;
  readonly asked: number | null;
}

export interface ReviewsOptions {
  /** v1 shows no stars, v2 black ones, v3 red ones. */
  readonly version: "v1" | "v2" | "v3";
  /** The local upstream port of ratings; v1 does not call it. */
  readonly ratingsPort: number;
}

const TEXTS = {
  Reviewer1: "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!",
  Reviewer2:
    "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.",
} as const;

const COLORS = { v1: undefined, v2: "black", v3: "red" } as const;

/** `GET /reviews/:id`. */
export function reviews({ version, ratingsPort }: ReviewsOptions): Server {
  return webServer((path) => {
    const id = /^\/reviews\/(\d+)$/.exec(path)?.[1];
    return id === undefined ? undefined : async ({ forward }) => {
      const color = COLORS[version];
      const stars = color === undefined
        ? undefined
        : (parsed("ratings", await get(ratingsPort, `/ratings/${id}`, forward)) as Ratings);
      return json({
        id: Number(id),
        version,
        reviews: Object.entries(TEXTS).map(([reviewer, text]) => ({
          reviewer, text, ...(stars === undefined ? {} : { rating: { stars: stars.ratings[reviewer], color } }),
        })),
        ...(stars === undefined ? {} : { ratingsAsked: stars.asked }),
      });
    };
  });
}
