/** Reads llhttp's test files: a message in a fenced block, the events or the error expected of a parser in the next. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const FOLDER = resolve(import.meta.dirname, "../../../shared/vectors/llhttp/test");

export interface VectorMessage {
  /** Method and target, or status text. */
  start: string;
  fields: string[];
  body: string;
  ended: boolean;
  /** Its head was complete. */
  headed: boolean;
}

export interface Vector {
  /** `request/uri.md: Long query`. */
  readonly title: string;
  readonly direction: "request" | "response";
  /** `request`, `request-finish`, `response-lenient-headers`… */
  readonly type: string;
  readonly skipBody: boolean;
  readonly input: string;
  readonly messages: readonly VectorMessage[];
  /** llhttp refuses the input. */
  readonly refused: boolean;
  /** llhttp stops at a switch of protocols. */
  readonly switched: boolean;
}

/** Undefined where the vectors are not there. */
export function loadVectors(): Vector[] | undefined {
  if (!existsSync(FOLDER)) return undefined;
  return ["request", "response"].flatMap((direction) =>
    readdirSync(join(FOLDER, direction)).sort().flatMap((name) =>
      parseFile(`${direction}/${name}`, readFileSync(join(FOLDER, direction, name), "utf8"))));
}

function parseFile(path: string, text: string): Vector[] {
  const out: Vector[] = [];
  let heading = "";
  const blocks = /^(#{2,4}) (.*)$|<!-- meta=(\{.*?\}) -->\s*```http\n([\s\S]*?)```[\s\S]*?```log\n([\s\S]*?)```/gm;
  for (const match of text.matchAll(blocks)) {
    if (match[2] !== undefined) {
      heading = match[2].trim();
      continue;
    }
    const meta = JSON.parse(match[3]!) as { type: string; skipBody?: boolean };
    const log = parseLog(match[5]!);
    out.push({
      title: `${path}: ${heading}`, type: meta.type, skipBody: meta.skipBody === true,
      direction: meta.type.startsWith("request") ? "request" : "response",
      input: unescape(match[4]!), ...log,
    });
  }
  return out;
}

/** As llhttp's own runner does: lines end in CR LF, a backslash at the end of a line joins it with the next. */
function unescape(text: string): string {
  return text.replace(/\n$/, "").replace(/\\(\r\n|\r|\n)/g, "").replace(/\r\n|\r|\n/g, "\r\n")
    .replace(/\\r/g, "\r").replace(/\\n/g, "\n").replace(/\\t/g, "\t").replace(/\\f/g, "\f")
    .replace(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function parseLog(log: string): { messages: VectorMessage[]; refused: boolean; switched: boolean } {
  const messages: VectorMessage[] = [];
  let refused = false;
  let switched = false;
  for (const line of log.split("\n")) {
    const span = /span\[(\w+)\]="([\s\S]*)"$/.exec(line);
    const current = messages.at(-1);
    if (line.endsWith("message begin")) messages.push({ start: "", fields: [], body: "", ended: false, headed: false });
    else if (span !== null && current !== undefined) addSpan(current, span[1]!, unescapeSpan(span[2]!));
    else if (line.endsWith("header_field complete") && current !== undefined) current.fields.push(": ");
    else if (line.includes("headers complete") && current !== undefined) current.headed = true;
    else if (line.endsWith("message complete") && current !== undefined) current.ended = true;
    const error = /error code=(\d+)/.exec(line);
    // 21 is a pause that the callback asked for, 22 and 23 are pauses at a switch of protocols.
    if (error !== null && error[1] === "22") switched = true;
    // 5 is data after a message that said close: we leave such bytes alone, the caller closes.
    if (error !== null && !["5", "21", "22", "23"].includes(error[1]!)) refused = true;
    // finish: 0 safe, 1 safe and it completes the message, 2 unsafe.
    if (line.endsWith("finish=2")) refused = true;
    if (line.endsWith("finish=1") && current !== undefined) current.ended = true;
  }
  for (const message of messages) message.fields = pairUp(message.fields);
  return { messages: messages.filter((m) => m.headed), refused, switched };
}

function addSpan(message: VectorMessage, kind: string, text: string): void {
  if (kind === "method") message.start += `${text} `;
  else if (kind === "url" || kind === "status") message.start += text;
  else if (kind === "header_field" || kind === "header_value") message.fields.push(text);
  else if (kind === "body") message.body += text;
}

/** Spans arrive as name, marker, value pieces…; a name without value had an empty one. */
function pairUp(spans: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < spans.length; i++) {
    if (spans[i] === ": ") continue;
    if (spans[i + 1] === ": ") out.push(`${spans[i]!}: `);
    else if (out.length > 0) out[out.length - 1] += spans[i]!;
  }
  return out;
}

function unescapeSpan(text: string): string {
  return text.replace(/\\r/g, "\r").replace(/\\n/g, "\n").replace(/\\t/g, "\t").replace(/\\f/g, "\f")
    .replace(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
