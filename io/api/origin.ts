import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { MeshError } from "../../core/base/errors.ts";

/**
 * Against DNS rebinding and cross-site requests: a web page that a user of this host has open can make their browser
 * call our loopback port. After rebinding such a request carries the page's name in Host; without it, the page's
 * origin in Origin. Only names that cannot be the attacker's are accepted in the first, only our own in the second.
 */
export function checkHostAndOrigin(req: IncomingMessage, allowedHosts: readonly string[]): void {
  const hosts = req.headersDistinct["host"] ?? [];
  const host = hosts.length === 1 ? hosts[0]! : "";
  const name = hostName(host);
  const bound = plainAddress(req.socket.localAddress ?? "");
  if (name === undefined || !(isLoopback(name) || name === bound || allowedHosts.includes(name))) {
    throw new MeshError("FORBIDDEN_HOST", `the Host header "${host}" is not a name of this server`);
  }
  const origin = req.headers.origin;
  if (origin === undefined) return;
  const scheme = "encrypted" in req.socket ? "https" : "http";
  if (origin.toLowerCase() !== `${scheme}://${host}`.toLowerCase()) {
    throw new MeshError("FORBIDDEN_HOST", `the Origin "${origin}" is not this server's own`, {
      fix: "call the API from a program, or from a page that this server serves",
    });
  }
}

/** Host without port and brackets, lower case; undefined for anything that is not `name[:port]`. */
function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(host);
  const name = match?.[1] ?? match?.[2];
  return name === undefined ? undefined : name.toLowerCase().replace(/\.$/, "");
}

function isLoopback(name: string): boolean {
  if (name === "localhost" || name.endsWith(".localhost") || name === "::1") return true;
  return isIP(name) === 4 && name.startsWith("127.");
}

/** An IPv4 client of a dual-stack listener shows as `::ffff:10.0.0.1`. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice(7) : address.toLowerCase();
}
