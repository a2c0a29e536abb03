import { stripVTControlCharacters } from "node:util";

export interface Column<T> {
  readonly header: string;
  readonly value: (row: T) => string;
  readonly align?: "right";
  /** May be cut to fit a terminal; the widest of these is cut first. */
  readonly shrink?: boolean;
}

export interface TableOptions {
  /** Columns of the terminal; undefined: nothing is cut (a pipe, a file). */
  readonly width?: number | undefined;
  readonly bold?: (text: string) => string;
  readonly unicode?: boolean;
}

const GAP = "  ";
const SHRUNK_MIN = 8;

/** Cells of a terminal that a text takes: colours take none, East Asian and emoji characters two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of stripVTControlCharacters(text)) {
    const code = char.codePointAt(0)!;
    const wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf)
      || (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff)
      || (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60)
      || (code >= 0x1f300 && code <= 0x1faff);
    width += wide ? 2 : /\p{M}/u.test(char) ? 0 : 1;
  }
  return width;
}

/** Control characters of foreign text never reach the terminal (a service's output could hold escapes). */
export const clean = (text: string): string =>
  stripVTControlCharacters(text).replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ");

/** Header and rows with two blanks between columns, each line ending in a newline. */
export function renderTable<T>(columns: readonly Column<T>[], rows: readonly T[], options: TableOptions = {}): string {
  const cells = rows.map((row) => columns.map((column) => column.value(row)));
  const widths = columns.map((column, i) =>
    Math.max(displayWidth(column.header), ...cells.map((line) => displayWidth(line[i]!))));
  if (options.width !== undefined) shrink(columns, widths, options.width);
  const line = (values: readonly string[]): string => values.map((value, i) => {
    const cut = truncate(value, widths[i]!, options.unicode === true);
    const pad = " ".repeat(widths[i]! - displayWidth(cut));
    return columns[i]!.align === "right" ? pad + cut : cut + pad;
  }).join(GAP).trimEnd();
  const bold = options.bold ?? ((text: string) => text);
  const header = bold(line(columns.map((c) => c.header)));
  return [header, ...cells.map(line)].map((l) => `${l}\n`).join("");
}

function shrink<T>(columns: readonly Column<T>[], widths: number[], width: number): void {
  const total = (): number => widths.reduce((sum, w) => sum + w, 0) + GAP.length * (widths.length - 1);
  while (total() > width) {
    let widest = -1;
    for (const [i, column] of columns.entries()) {
      const floor = Math.max(SHRUNK_MIN, displayWidth(column.header));
      if (column.shrink === true && widths[i]! > floor && (widest < 0 || widths[i]! > widths[widest]!)) widest = i;
    }
    if (widest < 0) return;
    widths[widest]!--;
  }
}

function truncate(text: string, width: number, unicode: boolean): string {
  if (displayWidth(text) <= width) return text;
  const dots = unicode ? "…" : "...";
  let out = "";
  for (const char of stripVTControlCharacters(text)) {
    if (displayWidth(out + char) > width - dots.length) break;
    out += char;
  }
  return out + dots;
}
