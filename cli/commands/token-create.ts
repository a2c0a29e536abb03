import { writeFileAtomic } from "../../io/files.ts";
import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";

/** `mesh acl token create`: the secret is shown this once, or goes to a file. */
export async function run(context: Context, args: Args): Promise<number> {
  const roles = args.list("role");
  if (roles.length === 0) throw usage("--role is missing: what the token may do", "--role read:default");
  const made = await api.createToken(context.client(), { Roles: roles, Description: args.text("description") ?? "" });
  const out = args.text("out");
  const { SecretID: secret = "", AccessorID: accessor } = made;
  if (out !== undefined) {
    writeFileAtomic(out, `${secret}\n`);
    await context.show({ accessor, roles, file: out }, () => `${accessor}: the token is in ${out}\n`);
    return 0;
  }
  await context.show({ accessor, roles, token: secret }, () => `${secret}\n`);
  context.say(`accessor ${accessor}; the token itself is not shown again`);
  return 0;
}
