import type { IncomingMessage } from "node:http";
import { MeshError } from "../../core/base/errors.ts";

/** The largest document that a person or program has reason to send: thousands of resources in one apply. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Deeper than any document that we accept; keeps every later recursive walk shallow. */
const JSON_DEPTH_MAX = 64;

/** Reads the whole body, refusing it as soon as it is known to be too large. */
export async function readBody(req: IncomingMessage): Promise<Buffer> {
  const tooLarge = (): MeshError =>
    new MeshError("TOO_LARGE", `the request body is larger than ${BODY_BYTES_MAX} bytes`);
  const declared = Number(req.headers["content-length"] ?? 0);
  if (declared > BODY_BYTES_MAX) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  // Listeners, not `for await`: leaving that loop destroys the socket, and the 413 would never be read.
  await new Promise<void>((resolve, reject) => {
    req.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > BODY_BYTES_MAX) {
        req.pause();
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    req.on("end", resolve);
    req.on("error", reject);
    req.on("close", () => reject(new MeshError("INVALID", "the request ended before its body was complete")));
  });
  return Buffer.concat(chunks, size);
}

/** Parses JSON from outside: bounded depth, and no key that could reach a prototype. Empty input is undefined. */
export function parseJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes);
  if (text.trim() === "") return undefined;
  if (jsonDepth(text) > JSON_DEPTH_MAX) {
    throw new MeshError("INVALID", `the JSON is nested deeper than ${JSON_DEPTH_MAX} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MeshError("INVALID", `the body is not JSON: ${(error as Error).message}`, { cause: error });
  }
  refusePrototypeKeys(value, "$");
  return value;
}

/** The deepest nesting, counted before the parser sees the text. */
function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (inString) {
      if (c === "\\") i++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === "{" || c === "[") deepest = Math.max(deepest, ++depth);
    else if (c === "}" || c === "]") depth--;
  }
  return deepest;
}

/** Throws INVALID that names the place of a `__proto__` key, or of `prototype` under `constructor`. */
function refusePrototypeKeys(value: unknown, where: string): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) refusePrototypeKeys(item, `${where}[${i}]`);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const isObject = typeof item === "object" && item !== null;
    const reaches = key === "constructor" && isObject && Object.hasOwn(item, "prototype");
    if (key === "__proto__" || reaches) {
      throw new MeshError("INVALID", `the key "${key}" is not accepted`, { where, fix: "remove the key" });
    }
    refusePrototypeKeys(item, `${where}.${key}`);
  }
}
