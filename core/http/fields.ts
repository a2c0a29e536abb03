// hot: one table per direction and connection, filled once per message
import { Field, FieldFlag } from "./constants.ts";
import { LOWER } from "./tables.ts";

const EMPTY = new Uint8Array(0);

/**
 * The fields of one head or trailer section as offsets into `buf`. Nothing is allocated per message: the tables are
 * reused and grow with the largest head seen. Valid until the parser that owns it is fed again, unless retained.
 */
export class Fields {
  buf: Uint8Array = EMPTY;
  count = 0;
  /** Four numbers a field: name from, name to, value from, value to (to is exclusive, white space trimmed). */
  at = new Int32Array(64);
  /** FieldId of each. */
  ids = new Uint8Array(16);
  /** FieldFlag bits of each. */
  flags = new Uint8Array(16);

  /** Makes room for one more field. */
  grow(): void {
    const at = new Int32Array(this.at.length * 2);
    at.set(this.at);
    this.at = at;
    const ids = new Uint8Array(this.ids.length * 2);
    ids.set(this.ids);
    this.ids = ids;
    const flags = new Uint8Array(this.flags.length * 2);
    flags.set(this.flags);
    this.flags = flags;
  }

  name(index: number): string {
    return text(this.buf, this.at[4 * index]!, this.at[4 * index + 1]!);
  }

  value(index: number): string {
    return text(this.buf, this.at[4 * index + 2]!, this.at[4 * index + 3]!);
  }

  /** Index of the first field with that name (given in lower case), or -1. */
  find(lowerName: string): number {
    for (let i = 0; i < this.count; i++) if (this.isNamed(i, lowerName)) return i;
    return -1;
  }

  isNamed(index: number, lowerName: string): boolean {
    const from = this.at[4 * index]!;
    if (this.at[4 * index + 1]! - from !== lowerName.length) return false;
    for (let k = 0; k < lowerName.length; k++) {
      if (LOWER[this.buf[from + k]!] !== lowerName.charCodeAt(k)) return false;
    }
    return true;
  }

  /** Value of the first field with that name (given in lower case), if there is one. */
  get(lowerName: string): string | undefined {
    const index = this.find(lowerName);
    return index < 0 ? undefined : this.value(index);
  }

  /** Keeps a field from being forwarded. */
  drop(index: number): void {
    this.flags[index]! |= FieldFlag.drop;
  }

  isDropped(index: number): boolean {
    return (this.flags[index]! & FieldFlag.drop) !== 0;
  }

  /** Index of the only field with that id, or -1; for ids that the decision allowed once. */
  indexOf(id: number): number {
    if (id === Field.other) return -1;
    for (let i = 0; i < this.count; i++) if (this.ids[i] === id) return i;
    return -1;
  }
}

/** Latin-1, as field bytes are by RFC 9110 section 5.5. */
export function text(buf: Uint8Array, from: number, to: number): string {
  let out = "";
  for (let i = from; i < to; i++) out += String.fromCharCode(buf[i]!);
  return out;
}
