/** Thrown when the program itself is wrong; never used for bad input from outside. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/** Stops on a broken invariant, in production too. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** For the end of a switch over a closed union: compiles only when every case was handled. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
}
