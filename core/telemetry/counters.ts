// hot: add() runs several times per request
/**
 * Counters as one typed array, addressed by small integers. A row is what is counted for (a caller, a service, a pair
 * of them), a column is what is counted. Rows are handed out by key once, when configuration arrives; the hot path
 * holds the row number.
 */
export class CounterTable {
  private readonly columns: number;
  private readonly rowMax: number;
  private readonly rows = new Map<string, number>();
  private values: Float64Array;

  /** `rowMax` bounds what a peer can make us count: further keys share the last row, whose key is "". */
  constructor(columns: number, rowMax = 4096) {
    this.columns = columns;
    this.rowMax = rowMax;
    this.values = new Float64Array(columns * 16);
  }

  get rowCount(): number {
    return this.rows.size;
  }

  /** The row of a key, made at first use. */
  row(key: string): number {
    const known = this.rows.get(key);
    if (known !== undefined) return known;
    const next = this.rows.size;
    if (next >= this.rowMax - 1 && key !== "") return this.row("");
    this.rows.set(key, next);
    if ((next + 1) * this.columns > this.values.length) {
      const grown = new Float64Array(this.values.length * 2);
      grown.set(this.values);
      this.values = grown;
    }
    return next;
  }

  add(row: number, column: number, amount = 1): void {
    this.values[row * this.columns + column]! += amount;
  }

  get(row: number, column: number): number {
    return this.values[row * this.columns + column] ?? 0;
  }

  /** Visits rows in the order they were made. */
  forEach(visit: (key: string, row: number) => void): void {
    for (const [key, row] of this.rows) visit(key, row);
  }
}
