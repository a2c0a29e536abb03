/** Numbers as people read them. */

const STEPS: readonly [ms: number, unit: string][] = [
  [86_400_000, "d"], [3_600_000, "h"], [60_000, "m"], [1_000, "s"],
];

/** The two largest units: `11h 4m`, `3d`, `45s`; below a second `200ms`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const parts: string[] = [];
  let rest = Math.round(ms / 1_000) * 1_000;
  for (const [size, unit] of STEPS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** Milliseconds with three figures: `0.412 ms`, `12.3 ms`, `1.20 s`; `-` for none. */
export function formatLatency(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "-";
  return ms >= 1_000 ? `${(ms / 1_000).toPrecision(3)} s` : `${ms >= 100 ? Math.round(ms) : ms.toPrecision(3)} ms`;
}

/** Per second: `0.4/s`, `120/s`; `<0.1/s` for what is rare but there. */
export function formatRate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 0.1) return "<0.1/s";
  return `${perSecond >= 100 ? Math.round(perSecond) : Number(perSecond.toFixed(1))}/s`;
}

export function formatPercent(share: number): string {
  const percent = share * 100;
  return `${percent > 0 && percent < 0.1 ? "<0.1" : Number(percent.toFixed(1))}%`;
}

export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`;
}

/** Both directions of an edge's TCP connections; HTTP requests are counted, their bytes are not. */
export const tcpBytes = (edge: { sent_bytes: number; received_bytes: number; tcp_connections: number }): string => {
  const bytes = edge.sent_bytes + edge.received_bytes;
  return bytes === 0 && edge.tcp_connections === 0 ? "-" : formatBytes(bytes);
};

/** `1 service`, `2 services`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
