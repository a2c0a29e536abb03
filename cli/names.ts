import { parseIntentionSide } from "../core/model/intention-parse.ts";
import { DEFAULT_NAMESPACE, serviceKey } from "../core/model/names.ts";

/** `ns/name` as people write it: the default namespace stays unsaid. */
export const shortName = (namespace: string, name: string): string =>
  (namespace === DEFAULT_NAMESPACE || namespace === "" ? name : `${namespace}/${name}`);

/** A key `ns/name` in its short form. */
export const shortKey = (key: string): string =>
  (key.startsWith(`${DEFAULT_NAMESPACE}/`) ? key.slice(DEFAULT_NAMESPACE.length + 1) : key);

/** One side of an intention as the key `ns/name`; either may be `*`. */
export const intentionSide = (text: string, namespace: string): string =>
  serviceKey(parseIntentionSide(text, namespace));
