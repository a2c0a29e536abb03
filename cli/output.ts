import type { Context } from "./context.ts";
import { type Column, renderTable } from "./format/table.ts";

/** The list as a table for people, or as it is for programs; an empty one says so on stderr. */
export async function showList<T>(
  context: Context, rows: readonly T[], options: { columns: readonly Column<T>[]; empty: string },
): Promise<void> {
  if (rows.length === 0 && context.format === "table") {
    context.say(options.empty);
    return;
  }
  const { stdout } = context.io;
  await context.show(rows, () => renderTable(options.columns, rows, {
    width: stdout.isTTY === true ? stdout.columns : undefined,
    bold: context.style.bold,
    unicode: context.style.unicode,
  }));
}

/** `NAME  value` lines, names aligned. */
export function renderPairs(
  pairs: readonly (readonly [name: string, value: string])[], style: Context["style"],
): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${style.dim(name.padEnd(width))}  ${value}\n`).join("");
}
