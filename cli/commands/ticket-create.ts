import { writeFileAtomic } from "../../io/files.ts";
import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";

/** `mesh acl ticket create`: the ticket on stdout, or in a file of mode 0600. */
export async function run(context: Context, args: Args): Promise<number> {
  const role = args.text("role") ?? "agent";
  const allow = args.list("allow").flatMap((text) => text.split(","));
  if (role === "agent" && allow.length === 0) {
    throw usage("--allow is missing: what the host may be", "--allow default/web, or --allow '*' for any service");
  }
  const node = args.text("node");
  const ttl = args.text("ttl");
  const made = await api.createTicket(context.client(), {
    role, allow, ...(node === undefined ? {} : { node }), ...(ttl === undefined ? {} : { ttl }),
  });
  const out = args.text("out");
  if (out !== undefined) {
    writeFileAtomic(out, `${made.ticket}\n`);
    await context.show({ id: made.id, expires: made.expires, file: out }, () =>
      `${made.id}: the ticket is in ${out}, good until ${made.expires}\n`);
    return 0;
  }
  await context.show(made, () => `${made.ticket}\n`);
  context.say(`good for one host until ${made.expires}: mesh agent --ticket-file FILE`);
  return 0;
}
