import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { accepting, freePort } from "../processes.ts";
import type { Processes } from "../processes.ts";

/** Paths that the backend serves and their sizes in bytes. */
const BODIES: Readonly<Record<string, number>> = { "/0": 0, "/1k": 1024, "/64k": 65_536 };

/** The server behind all lanes: one nginx process, three files, no log. */
export async function startBackend(processes: Processes, nginx: string, folder: string): Promise<number> {
  const port = await freePort();
  const root = join(folder, "www");
  mkdirSync(root, { recursive: true });
  for (const [path, size] of Object.entries(BODIES)) writeFileSync(join(root, path.slice(1)), "x".repeat(size));
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  const config = `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  ${temporary}
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 3600s;
  open_file_cache max=10 inactive=1h;
  server { listen 127.0.0.1:${port} backlog=1024; root ${root}; }
}
`;
  const file = join(folder, "nginx.conf");
  writeFileSync(file, config);
  const started = processes.start("nginx", nginx, { args: ["-p", folder, "-c", file, "-e", "stderr"] });
  await accepting(port, started);
  return port;
}
