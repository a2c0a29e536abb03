import { CODES } from "./codes.ts";

export type ErrorCode = keyof typeof CODES;

export interface ErrorDetails {
  /** What to do about it: a command, a line to write. Falls back to the code's own. */
  readonly fix?: string;
  /** Where it is: `service.json:7:13`, `checks[0].interval`. */
  readonly where?: string;
  readonly cause?: unknown;
}

/** The one error for what the outside world did wrong: closed code list, what, where, and the fix. */
export class MeshError extends Error {
  override name = "MeshError";
  readonly code: ErrorCode;
  readonly fix: string;
  readonly where: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fix = details.fix ?? CODES[code].fix;
    this.where = details.where;
  }

  /** HTTP status that this error answers with. */
  get status(): number {
    return CODES[this.code].status;
  }

  /** Exit code of a command that ends with it. */
  get exit(): number {
    return CODES[this.code].exit;
  }
}

export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly fix: string; readonly where?: string };
}

/** The JSON form of an error, as the HTTP API and `--format json` print it. */
export function errorBody(error: MeshError): ErrorBody {
  const { code, message, fix, where } = error;
  return { error: where === undefined ? { code, message, fix } : { code, message, fix, where } };
}
