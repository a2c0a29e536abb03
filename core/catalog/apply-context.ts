import { CODES } from "../base/codes.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { ApplyOk, ApplyRefused } from "./records.ts";
import type { State } from "./state.ts";
import { sameRow } from "./normalize.ts";
import type { Table } from "./table.ts";

/** What a handler works with: it refuses before it writes, so that a refused command leaves no trace. */
export interface ApplyContext {
  readonly state: State;
  readonly index: number;
  /** The proposer's wall clock. */
  readonly nowMs: number;
}

export const ok = (context: ApplyContext, more: Partial<ApplyOk> = {}): ApplyOk =>
  ({ ...more, ok: true, index: context.index });

export const refuse = (code: ErrorCode, message: string, fix: string = CODES[code].fix): ApplyRefused =>
  ({ ok: false, code, message, fix });

interface Indexed { readonly createIndex?: number; readonly modifyIndex?: number }

/** Writes the row with its indexes unless an equal one is there: a repeated sync moves no index. */
export function write<T extends object & Indexed>(context: ApplyContext, table: Table<T>, entry: [string, T]): T {
  const [key, row] = entry;
  const old = table.get(key);
  if (old !== undefined && sameRow(old, row)) return old;
  const stamped = { ...row, createIndex: old?.createIndex ?? context.index, modifyIndex: context.index };
  table.put(key, stamped);
  return stamped;
}
