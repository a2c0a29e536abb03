/** Client bytes that came too early: requests after the one under way, or those of a protocol not yet agreed on. */
export class HeldBytes {
  size = 0;
  private pieces: Uint8Array[] = [];

  add(bytes: Uint8Array, from: number, to: number): void {
    this.pieces.push(bytes.slice(from, to));
    this.size += to - from;
  }

  /** All of them, as one piece. */
  take(): Uint8Array {
    const { pieces, size } = this;
    this.clear();
    if (pieces.length === 1) return pieces[0]!;
    const all = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  clear(): void {
    this.pieces = [];
    this.size = 0;
  }
}
