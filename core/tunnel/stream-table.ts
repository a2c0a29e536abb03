// hot: one look-up per frame
import type { TunnelStream } from "./stream.ts";

const FIRST_SIZE = 64;

/**
 * Streams by id: open addressing with linear probing, deletion by shifting back. Not a Map: a Map makes a new table
 * every few insertions and links the old one to it, so that one dead table that the collector has not reached keeps
 * all later ones, and the streams in them, alive (measured: 0.5 kB a request into the old generation).
 */
export class StreamTable {
  private slots: (TunnelStream | undefined)[] = emptySlots(FIRST_SIZE);
  private mask = FIRST_SIZE - 1;
  size = 0;

  get(id: number): TunnelStream | undefined {
    const { slots, mask } = this;
    for (let i = id & mask; ; i = (i + 1) & mask) {
      const stream = slots[i];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** The id must be new. */
  add(stream: TunnelStream): void {
    if (2 * (this.size + 1) > this.slots.length) this.grow();
    this.place(stream);
    this.size++;
  }

  private place(stream: TunnelStream): void {
    const { slots, mask } = this;
    let i = stream.id & mask;
    while (slots[i] !== undefined) i = (i + 1) & mask;
    slots[i] = stream;
  }

  delete(id: number): void {
    const { slots, mask } = this;
    let hole = id & mask;
    while (slots[hole] !== undefined && slots[hole]!.id !== id) hole = (hole + 1) & mask;
    if (slots[hole] === undefined) return;
    this.size--;
    // Whoever was pushed past the hole by it moves back into it.
    for (let i = (hole + 1) & mask; slots[i] !== undefined; i = (i + 1) & mask) {
      const home = slots[i]!.id & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      slots[hole] = slots[i];
      hole = i;
    }
    slots[hole] = undefined;
  }

  /** A copy: streams may come and go while it is walked. */
  values(): TunnelStream[] {
    return this.slots.filter((stream) => stream !== undefined);
  }

  private grow(): void {
    const old = this.slots;
    this.slots = emptySlots(2 * old.length);
    this.mask = this.slots.length - 1;
    for (const stream of old) if (stream !== undefined) this.place(stream);
  }
}

const emptySlots = (size: number): (TunnelStream | undefined)[] =>
  Array.from({ length: size }, (): TunnelStream | undefined => undefined);
