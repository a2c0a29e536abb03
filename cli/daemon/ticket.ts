import { readFileSync } from "node:fs";
import { text as readAll } from "node:stream/consumers";
import type { DaemonConfig } from "../../core/model/config.ts";
import { encodeTicket, parseTicket } from "../../core/model/ticket.ts";
import type { Io } from "../context.ts";

/** The ticket's text from its file, standard input (`-`) or MESH_TICKET; undefined when there is none. */
export async function readTicket(config: DaemonConfig, io: Io): Promise<string | undefined> {
  const text = await ticketText(config.ticketFile, io);
  if (text === undefined) return undefined;
  const ticket = parseTicket(text);
  if (config.retryJoin === undefined) return text.trim();
  return encodeTicket({ ...ticket, servers: [...new Set([...config.retryJoin, ...ticket.servers])] });
}

async function ticketText(file: string | undefined, io: Io): Promise<string | undefined> {
  if (file === "-") return readAll(io.stdin);
  if (file !== undefined) return readFileSync(file, "utf8");
  const fromEnv = io.env["MESH_TICKET"];
  return fromEnv === "" ? undefined : fromEnv;
}
