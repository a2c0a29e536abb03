type Close = () => unknown;

/** What was opened, closed in the opposite order; each is closed even where one before it fails. */
export class Closers {
  #closes: Close[] = [];

  add(close: Close): void {
    this.#closes.push(close);
  }

  /** Throws the first failure, after all were tried. A second call has nothing left to do. */
  async close(): Promise<void> {
    const closes = this.#closes.reverse();
    this.#closes = [];
    const failures: unknown[] = [];
    for (const close of closes) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
