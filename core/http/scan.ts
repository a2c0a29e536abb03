// hot: touches every byte of every head once
import { Field, FieldFlag, HttpLimits } from "./constants.ts";
import { HttpError } from "./errors.ts";
import type { HttpErrorId } from "./errors.ts";
import type { Fields } from "./fields.ts";
import { knownField } from "./known.ts";
import { COLON, CR, HTAB, LF, SP, TOKEN, VALUE } from "./tables.ts";

/** Results below zero; otherwise the position after what was scanned. */
export const NEED_MORE = -1;
export const REFUSED = -2;

/** How far a scan came: set when it needs more bytes or refuses. */
export class ScanState {
  /** Start of the first line that is not complete: the scan goes on here. */
  resumeAt = 0;
  error: HttpErrorId = HttpError.none;
  fieldCountMax: number = HttpLimits.fieldCountMax;
}

/**
 * Scans field lines from `from` until the empty line, adding to `fields`. Lines are final one by one: after NEED_MORE
 * call again with `from = state.resumeAt` when there are more bytes.
 */
export function scanFields(fields: Fields, state: ScanState, from: number, to: number): number {
  const buf = fields.buf;
  let p = from;
  for (;;) {
    const line = p;
    state.resumeAt = line;
    while (p < to && TOKEN[buf[p]!] !== 0) p++;
    if (p === to) return NEED_MORE;
    const nameTo = p;
    let c = buf[p]!;
    if (c !== COLON || nameTo === line) {
      if (nameTo !== line || c !== CR) return refuse(state, nameError(c, nameTo === line));
      if (p + 1 === to) return NEED_MORE;
      return buf[p + 1] === LF ? p + 2 : refuse(state, HttpError.lineEnd);
    }
    p++;
    while (p < to && ((c = buf[p]!) === SP || c === HTAB)) p++;
    const valueFrom = p;
    while (p < to && VALUE[buf[p]!] !== 0) p++;
    if (p === to) return NEED_MORE;
    if (buf[p] !== CR) return refuse(state, buf[p] === LF ? HttpError.lineEnd : HttpError.fieldValue);
    if (p + 1 === to) return NEED_MORE;
    if (buf[p + 1] !== LF) return refuse(state, HttpError.lineEnd);
    let valueTo = p;
    while (valueTo > valueFrom && ((c = buf[valueTo - 1]!) === SP || c === HTAB)) valueTo--;

    const n = fields.count;
    if (n === state.fieldCountMax) return refuse(state, HttpError.fieldsTooMany);
    if (n === fields.ids.length) fields.grow();
    const at = fields.at;
    at[4 * n] = line;
    at[4 * n + 1] = nameTo;
    at[4 * n + 2] = valueFrom;
    at[4 * n + 3] = valueTo;
    const id = knownField(buf, line, nameTo);
    fields.ids[n] = id;
    const neat = valueFrom === nameTo + 2 && buf[nameTo + 1] === SP && valueTo === p;
    fields.flags[n] = (neat ? 0 : FieldFlag.ragged) | (id === Field.identity ? FieldFlag.drop : 0);
    fields.count = n + 1;
    p += 2;
  }
}

function refuse(state: ScanState, error: HttpErrorId): number {
  state.error = error;
  return REFUSED;
}

function nameError(c: number, empty: boolean): HttpErrorId {
  if (empty && (c === SP || c === HTAB)) return HttpError.fieldFold;
  return c === LF ? HttpError.lineEnd : HttpError.fieldName;
}
