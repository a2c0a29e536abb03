import { z } from "zod";

/** A report as hosts send it (core/model/telemetry.ts); numbers are bounded so that sums stay exact. */

const COUNT = z.number().int().min(0).max(1e12);
const EDGE = {
  reporter: z.enum(["source", "destination"]),
  source: z.string().max(200),
  destination: z.string().max(200),
};
const ROWS_MAX = 100_000;

export const TELEMETRY_REPORT = z.object({
  requests: z.array(z.object({
    ...EDGE, method: z.string().max(64), code: z.number().int().min(0).max(999), count: COUNT,
  })).max(ROWS_MAX),
  durations: z.array(z.object({
    ...EDGE,
    buckets: z.array(z.tuple([z.number().int().min(0).max(4096), COUNT])).max(4096),
    count: COUNT,
    sumMs: z.number().min(0).max(1e15),
  })).max(ROWS_MAX),
  tcp: z.array(z.object({
    ...EDGE, connections: COUNT, sentBytes: z.number().min(0), receivedBytes: z.number().min(0),
  })).max(ROWS_MAX),
});
