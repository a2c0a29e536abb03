import { formatTime } from "../x509/time.ts";

/** `2026-11-23T05:04:03Z` (RFC 3339, whole seconds) from wall milliseconds of 1970 to 9999. */
export function isoTime(wallMs: number): string {
  const compact = formatTime(wallMs);
  const short = compact.length === "YYMMDDHHMMSSZ".length;
  const century = !short ? "" : Number(compact.slice(0, 2)) < 50 ? "20" : "19";
  return `${century}${compact}`.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
}
