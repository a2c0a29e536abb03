// hot: record() runs once per request
/**
 * Log-bucketed histogram of durations. Buckets are numbered from 0; bucket 0 holds everything up to 1 µs, bucket n
 * holds (1 µs × G^(n-1), 1 µs × G^n] with G = 2^(1/8) ≈ 1.0905, so that the geometric middle of a bucket is within
 * 4.5 % of every value in it; the last bucket holds all above 10 minutes. Bucket numbers travel between proxy, agent
 * and server: never renumber them.
 */
const STEPS_PER_DOUBLING = 8;
const UNIT_MS = 0.001;
const RANGE_MS = 600_000;

/** Buckets 0 … BUCKET_COUNT - 1; the last one is unbounded. */
export const BUCKET_COUNT = Math.ceil(Math.log2(RANGE_MS / UNIT_MS) * STEPS_PER_DOUBLING) + 2;

/** Bucket of a duration in milliseconds; negative ones and NaN count as zero. */
export function bucketOf(ms: number): number {
  if (!(ms > UNIT_MS)) return 0;
  // The subtraction keeps exact powers in their own bucket against the logarithm's last bit.
  const bucket = Math.ceil(Math.log2(ms / UNIT_MS) * STEPS_PER_DOUBLING - 1e-9);
  return bucket < BUCKET_COUNT ? bucket : BUCKET_COUNT - 1;
}

/** Largest duration in the bucket, milliseconds; Infinity for the last. */
export function bucketUpperMs(bucket: number): number {
  return bucket >= BUCKET_COUNT - 1 ? Infinity : UNIT_MS * 2 ** (bucket / STEPS_PER_DOUBLING);
}

/** The value that stands for a bucket: its geometric middle, at most 4.5 % from any value in it. */
export function bucketMiddleMs(bucket: number): number {
  if (bucket <= 0) return UNIT_MS;
  return UNIT_MS * 2 ** ((Math.min(bucket, BUCKET_COUNT - 1) - 0.5) / STEPS_PER_DOUBLING);
}

/** Pairs of bucket and count, ascending by bucket, zeros left out. */
export type BucketPairs = readonly (readonly [bucket: number, count: number])[];

/** Duration in milliseconds below which the share `q` (0 … 1) of the recorded ones lies; 0 when there are none. */
export function quantile(pairs: BucketPairs, q: number): number {
  let total = 0;
  for (const [, count] of pairs) total += count;
  if (total === 0) return 0;
  const rank = Math.max(1, Math.ceil(Math.min(Math.max(q, 0), 1) * total));
  let seen = 0;
  for (const [bucket, count] of pairs) {
    seen += count;
    if (seen >= rank) return bucketMiddleMs(bucket);
  }
  return bucketMiddleMs(pairs.at(-1)![0]);
}

/** Adds several into one, still ascending. */
export function mergePairs(...all: BucketPairs[]): [number, number][] {
  const sums = new Map<number, number>();
  for (const pairs of all) for (const [bucket, count] of pairs) sums.set(bucket, (sums.get(bucket) ?? 0) + count);
  return [...sums].sort((a, b) => a[0] - b[0]);
}

/** What was counted since `before`; both from the same cumulative histogram. */
export function subtractPairs(now: BucketPairs, before: BucketPairs): [number, number][] {
  const old = new Map(before);
  const out: [number, number][] = [];
  for (const [bucket, count] of now) {
    const grown = count - (old.get(bucket) ?? 0);
    if (grown > 0) out.push([bucket, grown]);
  }
  return out;
}

/** Counts durations; 1 kB, allocates nothing per record. */
export class Histogram {
  private readonly counts = new Float64Array(BUCKET_COUNT);
  /** How many were recorded. */
  count = 0;
  sumMs = 0;

  record(ms: number): void {
    this.counts[bucketOf(ms)]! += 1;
    this.count += 1;
    if (ms > 0) this.sumMs += ms;
  }

  toPairs(): [number, number][] {
    const out: [number, number][] = [];
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const count = this.counts[bucket]!;
      if (count > 0) out.push([bucket, count]);
    }
    return out;
  }
}
