/** What is kept of a check's output: it travels to the servers and to everybody who asks for health. */
export const OUTPUT_BYTES_MAX = 4096;

/** Cuts a text to OUTPUT_BYTES_MAX bytes of UTF-8, at a whole character, and drops control characters but \n and \t. */
export function boundOutput(text: string): string {
  let bytes = 0;
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0)!;
    const control = (code < 0x20 && char !== "\n" && char !== "\t") || code === 0x7f;
    if (control || (code >= 0xd800 && code <= 0xdfff)) continue;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
    if (bytes > OUTPUT_BYTES_MAX) return out;
    out += char;
  }
  return out;
}
