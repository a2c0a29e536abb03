import { fromBase64, toBase64 } from "../base/bytes.ts";
import { malformed } from "./der.ts";

const LINE_COLUMNS = 64;
const TEXT_LENGTH_MAX = 1024 * 1024;
export const CERTIFICATE = "CERTIFICATE";

/** RFC 7468 text with a final line end. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines = toBase64(der).match(new RegExp(`.{1,${LINE_COLUMNS}}`, "g")) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Every block with that label, in order; other labels and text between blocks are skipped. Throws INVALID. */
export function decodePem(text: string, label: string = CERTIFICATE): Uint8Array[] {
  if (text.length > TEXT_LENGTH_MAX) malformed(`PEM text of ${text.length} characters, more than ${TEXT_LENGTH_MAX}`);
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const out: Uint8Array[] = [];
  for (let from = text.indexOf(begin); from >= 0; from = text.indexOf(begin, from)) {
    const to = text.indexOf(end, from);
    if (to < 0) malformed(`a PEM block "${label}" has no end`);
    const body = text.slice(from + begin.length, to).replace(/\s+/g, "");
    out.push(fromBase64(body) ?? malformed(`a PEM block "${label}" is not base64`));
    from = to + end.length;
  }
  return out;
}

/** The first certificate of a PEM text; throws INVALID, naming `what`, when there is none. */
export const firstCertificate = (text: string, what: string): Uint8Array =>
  decodePem(text)[0] ?? malformed(`${what} holds no certificate`);
