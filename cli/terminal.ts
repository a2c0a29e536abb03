/** What the person's terminal can show, and colours that follow it. */

export type Paint = (text: string) => string;

export interface Style {
  readonly color: boolean;
  /** False: ✓ becomes `ok`, lines are drawn with ASCII. */
  readonly unicode: boolean;
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

export type Env = Readonly<Record<string, string | undefined>>;
export type ColorWhen = "auto" | "always" | "never";

/** NO_COLOR (no-color.org), CLICOLOR_FORCE and TERM=dumb decide where `--color` leaves it open. */
export function wantsColor(when: ColorWhen, env: Env, isTty: boolean): boolean {
  if (when !== "auto") return when === "always";
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  const force = env["CLICOLOR_FORCE"] ?? "";
  if (force !== "" && force !== "0") return true;
  return isTty && env["TERM"] !== "dumb";
}

/** By the first of LC_ALL, LC_CTYPE and LANG that is set, as POSIX has it. */
export function wantsUnicode(env: Env): boolean {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((v) => v !== undefined && v !== "") ?? "";
  return /utf-?8/i.test(locale);
}

export function createStyle(color: boolean, unicode: boolean): Style {
  const paint = (code: number) => (text: string): string =>
    color && text !== "" ? `\u001b[${code}m${text}\u001b[${code < 10 ? 22 : 39}m` : text;
  return {
    color, unicode,
    bold: paint(1), dim: paint(2), red: paint(31), green: paint(32), yellow: paint(33), cyan: paint(36),
  };
}

/** A health word with its mark and colour. */
export function statusText(style: Style, status: string): string {
  const marks: Record<string, [string, string, Paint]> = {
    passing: ["✓", "ok", style.green],
    warning: ["!", "!", style.yellow],
    critical: ["✗", "x", style.red],
    refused: ["✗", "x", style.red],
    "no certificate": ["✗", "x", style.red],
    maintenance: ["!", "!", style.yellow],
  };
  const [mark, ascii, paint] = marks[status] ?? ["·", "-", style.dim];
  return paint(`${style.unicode ? mark : ascii} ${status}`);
}
