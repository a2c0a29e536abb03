import type { Server } from "node:http";
import { type Answer, type Call, get, json, parsed, webServer } from "./web.ts";

export interface ProductpageOptions {
  /** Local upstream ports. */
  readonly detailsPort: number;
  readonly reviewsPort: number;
}

interface Review {
  readonly reviewer: string;
  readonly text: string;
  readonly rating?: { readonly stars: number; readonly color: string };
}

interface Reviews {
  readonly version: string;
  readonly reviews: readonly Review[];
}

/** `GET /productpage` for people, `GET /api/v1/products/:id` for programs: 502 when a service behind it fails. */
export function productpage(options: ProductpageOptions): Server {
  const both = async (id: string, { forward }: Call): Promise<[details: Answer, reviews: Answer]> => Promise.all([
    get(options.detailsPort, `/details/${id}`, forward),
    get(options.reviewsPort, `/reviews/${id}`, forward),
  ]);
  return webServer((path) => {
    if (path === "/" || path === "/productpage") {
      const type = "text/html; charset=utf-8";
      return async (call) => ({ status: 200, type, body: page(...(await both("0", call))) });
    }
    const id = /^\/api\/v1\/products\/(\d+)$/.exec(path)?.[1];
    return id === undefined ? undefined : async (call) => {
      const [details, reviews] = await both(id, call);
      try {
        return json({ id: Number(id), details: parsed("details", details), reviews: parsed("reviews", reviews) });
      } catch (error) {
        return json({ error: (error as Error).message }, 502);
      }
    };
  });
}

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

function page(details: Answer, reviews: Answer): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The Comedy of Errors</title>
<style>body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}.bad{color:#a00}.red{color:#c00}
td,th{text-align:left;padding:0 1em 0 0}blockquote{margin:1em 0}</style></head><body>
<h1>The Comedy of Errors</h1>
<h2>Details</h2>
${section(details, detailsTable)}
<h2>Reviews</h2>
${section(reviews, reviewList)}
</body></html>
`;
}

function section(got: Answer, render: (value: unknown) => string): string {
  if (got.status === 200) return render(JSON.parse(got.body));
  return `<p class="bad">Sorry, this part is not available (${got.status}): ${escape(got.body.trim())}</p>`;
}

function detailsTable(value: unknown): string {
  const rows = Object.entries(value as Record<string, unknown>).filter(([key]) => key !== "id");
  const lines = rows.map(([key, text]) => `<tr><th>${escape(key)}</th><td>${escape(String(text))}</td></tr>`);
  return `<table>${lines.join("")}</table>`;
}

function reviewList(value: unknown): string {
  const { version, reviews } = value as Reviews;
  const stars = ({ rating }: Review): string => rating === undefined
    ? ""
    : ` <span class="${escape(rating.color)}">${"★".repeat(rating.stars)}${"☆".repeat(5 - rating.stars)}</span>`;
  const quotes = reviews.map((review) =>
    `<blockquote><p>${escape(review.text)}</p>— ${escape(review.reviewer)}${stars(review)}</blockquote>`);
  return `${quotes.join("\n")}\n<p>served by reviews ${escape(version)}</p>`;
}
