/** The little that the bookinfo applications need of HTTP: routes that answer, and calls that time out. */
import { Agent, createServer, request, type IncomingHttpHeaders, type IncomingMessage, type Server } from "node:http";

export interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}

export interface Call {
  readonly path: string;
  /** What an application must hand on for traces and for routing by user. */
  readonly forward: Readonly<Record<string, string>>;
}

export type Page = (call: Call) => Promise<Answer> | Answer;

const FORWARDED = ["x-request-id", "traceparent", "tracestate", "user", "end-user"];
const CALL_TIMEOUT_MS = 5_000;
const agent = new Agent({ keepAlive: true });

export const json = (body: unknown, status = 200): Answer =>
  ({ status, type: "application/json", body: `${JSON.stringify(body)}\n` });

function forwardedOf(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(FORWARDED.flatMap((name) => {
    const value = headers[name];
    return typeof value === "string" ? [[name, value]] : [];
  }));
}

/** Serves `GET /health` and the pages; a page that throws answers 500 with the reason. */
export function webServer(pages: (path: string) => Page | undefined): Server {
  return createServer((req, res) => {
    void answer(req, pages).then(({ status, type, body }) => {
      res.writeHead(status, { "content-type": type ?? "text/plain", "content-length": Buffer.byteLength(body) });
      res.end(req.method === "HEAD" ? undefined : body);
    });
    req.resume();
  });
}

async function answer(req: IncomingMessage, pages: (path: string) => Page | undefined): Promise<Answer> {
  const path = (req.url ?? "/").split("?")[0]!;
  if (path === "/health") return { status: 200, body: "ok\n" };
  const page = pages(path);
  if (page === undefined) return json({ error: `there is no ${path} here` }, 404);
  if (req.method !== "GET" && req.method !== "HEAD") return json({ error: "only GET" }, 405);
  try {
    return await page({ path, forward: forwardedOf(req.headers) });
  } catch (error) {
    return json({ error: (error as Error).message }, 500);
  }
}

/** GET through a local upstream port. Never throws: what went wrong is status 0 and a reason. */
export function get(port: number, path: string, forward: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve({ status: 0, body: error.message });
    const options = {
      host: "127.0.0.1", port, path, agent, headers: { ...forward }, signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    };
    const req = request(options, (res) => {
      const parts: Buffer[] = [];
      res.on("data", (part: Buffer) => parts.push(part));
      res.on("error", failed);
      res.on("end", () => resolve({ status: res.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
    });
    req.on("error", failed);
    req.end();
  });
}

/** The JSON of an answer; an error with what the upstream said when it was not 200. */
export function parsed(what: string, got: Answer): unknown {
  if (got.status !== 200) throw new Error(`${what} answered ${got.status}: ${got.body.trim()}`);
  return JSON.parse(got.body);
}
