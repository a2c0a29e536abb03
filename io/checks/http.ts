import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { OUTPUT_BYTES_MAX } from "../../core/health/output.ts";
import type { CheckStatus } from "../../core/model/catalog.ts";
import type { CheckProbe } from "../../core/model/service.ts";
import type { ProbeResult } from "./probe.ts";

/** 2xx is passing, 429 warning, anything else critical, as in Consul. A new connection each time, no redirects. */
export function probeHttp(probe: CheckProbe & { type: "http" }, signal: AbortSignal): Promise<ProbeResult> {
  const url = new URL(probe.url);
  const headers: Record<string, string | string[]> = { "user-agent": "mesh-check", connection: "close" };
  for (const [name, values] of Object.entries(probe.headers)) headers[name.toLowerCase()] = [...values];
  // Node sends Host as one value only.
  if (Array.isArray(headers["host"])) headers["host"] = headers["host"][0] ?? url.host;
  if (probe.body !== "") headers["content-length"] = `${Buffer.byteLength(probe.body)}`;
  const options = { method: probe.method, headers, signal, agent: false } as const;
  return new Promise((resolve, reject) => {
    const request = url.protocol === "https:"
      ? requestHttps(url, { ...options, rejectUnauthorized: !probe.tlsSkipVerify })
      : requestHttp(url, options);
    request.on("error", reject);
    request.on("response", (response) => {
      readSome(response).then((body) => {
        request.destroy();
        resolve(judge(probe, response, body));
      }, reject);
    });
    request.end(probe.body === "" ? undefined : probe.body);
  });
}

function judge(probe: CheckProbe & { type: "http" }, response: IncomingMessage, body: string): ProbeResult {
  const code = response.statusCode ?? 0;
  const status: CheckStatus = code >= 200 && code < 300 ? "passing" : code === 429 ? "warning" : "critical";
  const answer = `${code} ${response.statusMessage ?? ""}`;
  return { status, output: `HTTP ${probe.method} ${probe.url}: ${answer} Output: ${body}` };
}

/** The first bytes of the body: an endless one must not be read to its end. */
function readSome(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const done = (): void => resolve(Buffer.concat(parts).toString("utf8"));
    response.on("data", (part: Buffer) => {
      parts.push(part.subarray(0, OUTPUT_BYTES_MAX - size));
      size += part.length;
      if (size >= OUTPUT_BYTES_MAX) done();
    });
    response.on("end", done);
    response.on("error", reject);
  });
}
