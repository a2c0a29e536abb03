import { CODES } from "../../core/base/codes.ts";
import { MeshError } from "../../core/base/errors.ts";
import { nearest } from "../../core/base/nearest.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { showList } from "../output.ts";

/** `mesh help errors [CODE]`: the closed list of codes. */
export async function run(context: Context, args: Args): Promise<number> {
  const all = Object.entries(CODES).map(([code, c]) => ({ code, status: c.status, exit: c.exit, fix: c.fix }));
  const wanted = args.text("code")?.toUpperCase();
  const rows = wanted === undefined ? all : all.filter((row) => row.code === wanted);
  if (rows.length === 0) {
    const near = nearest(wanted!, Object.keys(CODES));
    throw new MeshError("NOT_FOUND", `${wanted} is not an error code`, {
      fix: near === undefined ? "mesh help errors lists them" : `did you mean ${near}?`,
    });
  }
  await showList(context, rows, {
    empty: "",
    columns: [
      { header: "CODE", value: (r) => r.code },
      { header: "HTTP", value: (r) => String(r.status), align: "right" },
      { header: "EXIT", value: (r) => String(r.exit), align: "right" },
      { header: "WHAT TO DO", value: (r) => r.fix },
    ],
  });
  return 0;
}
