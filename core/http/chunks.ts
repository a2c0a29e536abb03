// hot: runs over every chunked body
/**
 * Chunked transfer coding (RFC 9112 section 7.1) as a state machine over whatever pieces arrive: sizes are bounded
 * hexadecimal, extensions are checked, counted and forgotten, every line ends in CR LF exactly. The trailer section is
 * collected whole (bounded) and scanned like a head; its fields stay apart from the head's (pitfall 41).
 */
import { Field, HttpLimits } from "./constants.ts";
import { HttpError } from "./errors.ts";
import type { HttpErrorId } from "./errors.ts";
import { Fields } from "./fields.ts";
import { NEED_MORE, REFUSED, ScanState, scanFields } from "./scan.ts";
import type { HttpSink } from "./sink.ts";
import { CR, HEX_VALUE, LF, VALUE } from "./tables.ts";

const Step = {
  sizeFirst: 0, size: 1, extension: 2, sizeEnd: 3, data: 4, dataCr: 5, dataLf: 6, trailer: 7, done: 8, failed: 9,
} as const;
type StepId = (typeof Step)[keyof typeof Step];

/** Where in a quoted extension value the scan is. */
const Quote = { outside: 0, inside: 1, escaped: 2 } as const;
type QuoteId = (typeof Quote)[keyof typeof Quote];

const SEMICOLON = 59;
const DOUBLE_QUOTE = 34;
const BACKSLASH = 92;

export class ChunkDecoder {
  private readonly sink: HttpSink;
  private step: StepId = Step.sizeFirst;
  /** Of the size line: the number so far; of the data: bytes still to come. */
  private left = 0;
  private digits = 0;
  private extension = 0;
  private extensions = 0;
  private quote: QuoteId = Quote.outside;
  private last = false;
  private trailers: Fields | undefined;
  private scan: ScanState | undefined;
  private held = 0;
  error: HttpErrorId = HttpError.none;

  constructor(sink: HttpSink) {
    this.sink = sink;
  }

  /** Everything up to the empty line after the trailers was consumed. */
  get done(): boolean {
    return this.step === Step.done;
  }

  reset(): void {
    this.step = Step.sizeFirst;
    this.left = 0;
    this.digits = 0;
    this.extension = 0;
    this.extensions = 0;
    this.quote = Quote.outside;
    this.last = false;
    this.held = 0;
    this.error = HttpError.none;
  }

  /** Decodes `buf[from, to)`; returns the position after the last byte that belongs to this body. */
  execute(buf: Uint8Array, from: number, to: number): number {
    let p = from;
    while (p < to) {
      const c = buf[p]!;
      switch (this.step) {
        case Step.sizeFirst:
        case Step.size: {
          const digit = HEX_VALUE[c]!;
          if (digit < 16) {
            if (++this.digits > HttpLimits.chunkSizeDigitsMax) return this.refuse(HttpError.chunkSize, p);
            this.left = this.left * 16 + digit;
            this.step = Step.size;
          } else if (this.step === Step.sizeFirst) return this.refuse(HttpError.chunkSize, p);
          else if (c === CR) this.step = Step.sizeEnd;
          else if (c === SEMICOLON) this.step = Step.extension;
          else return this.refuse(c === LF ? HttpError.chunkEnd : HttpError.chunkSize, p);
          p++;
          break;
        }
        case Step.extension:
          if (c === CR && this.extension > 0 && this.quote === Quote.outside) this.step = Step.sizeEnd;
          else if (VALUE[c] === 0 || ++this.extension > HttpLimits.chunkExtensionBytesMax) {
            return this.refuse(HttpError.chunkExtension, p);
          } else this.quote = nextQuote(this.quote, c);
          p++;
          break;
        case Step.sizeEnd:
          if (c !== LF) return this.refuse(HttpError.chunkEnd, p);
          this.extensions += this.extension;
          if (this.extensions > HttpLimits.chunkExtensionsTotalBytesMax) {
            return this.refuse(HttpError.chunkExtension, p);
          }
          this.extension = 0;
          this.digits = 0;
          this.last = this.left === 0;
          this.step = this.last ? Step.trailer : Step.data;
          p++;
          break;
        case Step.data: {
          const end = to - p < this.left ? to : p + this.left;
          this.left -= end - p;
          if (this.left === 0) this.step = Step.dataCr;
          this.sink.onBody(buf, p, end);
          p = end;
          break;
        }
        case Step.dataCr:
          if (c !== CR) return this.refuse(HttpError.chunkEnd, p);
          this.step = Step.dataLf;
          p++;
          break;
        case Step.dataLf:
          if (c !== LF) return this.refuse(HttpError.chunkEnd, p);
          this.step = Step.sizeFirst;
          p++;
          break;
        case Step.trailer:
          return this.trailer(buf, p, to);
        default:
          return p;
      }
    }
    return p;
  }

  /** The common end is an empty line in one piece; anything else is collected byte range by byte range. */
  private trailer(buf: Uint8Array, from: number, to: number): number {
    if (this.held === 0 && to - from >= 2 && buf[from] === CR && buf[from + 1] === LF) {
      this.step = Step.done;
      return from + 2;
    }
    const fields = (this.trailers ??= new Fields());
    const scan = (this.scan ??= new ScanState());
    if (this.held === 0) {
      if (fields.buf.length === 0) fields.buf = new Uint8Array(1024);
      fields.count = 0;
      scan.resumeAt = 0;
      scan.fieldCountMax = HttpLimits.trailerCountMax;
    }
    const take = Math.min(to - from, HttpLimits.trailerBytesMax - this.held);
    this.hold(fields, buf.subarray(from, from + take));
    const before = this.held - take;
    const end = scanFields(fields, scan, scan.resumeAt, this.held);
    if (end === REFUSED) {
      const tooMany = scan.error === HttpError.fieldsTooMany;
      return this.refuse(tooMany ? HttpError.trailerTooLarge : scan.error, from);
    }
    if (end === NEED_MORE) {
      if (this.held === HttpLimits.trailerBytesMax) return this.refuse(HttpError.trailerTooLarge, from);
      return from + take;
    }
    this.step = Step.done;
    for (let i = 0; i < fields.count; i++) {
      if (fields.ids[i] !== Field.other) fields.drop(i);
    }
    if (fields.count > 0) this.sink.onTrailers(fields);
    return from + (end - before);
  }

  private hold(fields: Fields, piece: Uint8Array): void {
    const size = this.held + piece.length;
    if (size > fields.buf.length) {
      const grown = new Uint8Array(Math.max(size, Math.min(2 * fields.buf.length, HttpLimits.trailerBytesMax)));
      grown.set(fields.buf.subarray(0, this.held));
      fields.buf = grown;
    }
    fields.buf.set(piece, this.held);
    this.held = size;
  }

  private refuse(error: HttpErrorId, at: number): number {
    this.step = Step.failed;
    this.error = error;
    return at;
  }
}

function nextQuote(quote: QuoteId, c: number): QuoteId {
  if (quote === Quote.escaped) return Quote.inside;
  if (c === DOUBLE_QUOTE) return quote === Quote.outside ? Quote.inside : Quote.outside;
  return quote === Quote.inside && c === BACKSLASH ? Quote.escaped : quote;
}
