import { MeshError } from "../core/base/errors.ts";

/** Where the HTTP API is, in the forms that MESH_HTTP_ADDR takes. */
export type ApiAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls: boolean }
  | { readonly kind: "unix"; readonly path: string };

const PORT_DEFAULT = { http: 8500, https: 8501 } as const;

/** `host`, `host:port`, `[v6]:port`, `http(s)://host:port`, `unix:/path` or an absolute path; throws USAGE. */
export function parseApiAddress(text: string, from = "MESH_HTTP_ADDR"): ApiAddress {
  const trimmed = text.trim();
  const path = /^(?:unix:(?:\/\/)?)?(\/.+)$/.exec(trimmed)?.[1];
  if (path !== undefined) return { kind: "unix", path };
  const scheme = /^(https?):\/\//.exec(trimmed)?.[1] as "http" | "https" | undefined;
  const parsed = /^[a-z][a-z0-9+.-]*:\/\//.test(trimmed) && scheme === undefined
    ? undefined
    : URL.parse(scheme === undefined ? `http://${trimmed}` : trimmed);
  const plain = parsed?.username === "" && parsed.password === "" && parsed.search === "" && parsed.pathname === "/";
  if (trimmed === "" || parsed === null || parsed === undefined || !plain) {
    throw new MeshError("USAGE", `"${text}" is not an address of the HTTP API`, {
      where: from,
      fix: "use HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:/run/mesh/agent.sock",
    });
  }
  const tls = scheme === "https";
  // URL drops a port that is its scheme's own (80, 443); the text still has it.
  const written = /:(\d+)\/?$/.exec(trimmed)?.[1];
  const port = written === undefined ? PORT_DEFAULT[tls ? "https" : "http"] : Number(written);
  return { kind: "tcp", host: parsed.hostname.replace(/^\[|\]$/g, ""), port, tls };
}

/** As a person would write it: what an error names and an `export` line carries. */
export function formatApiAddress(address: ApiAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${address.tls ? "https" : "http"}://${host}:${address.port}`;
}
