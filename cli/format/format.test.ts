import { describe, expect, test } from "vitest";
import { createStyle, statusText, wantsColor, wantsUnicode } from "../terminal.ts";
import { type Column, clean, displayWidth, renderTable } from "./table.ts";
import { formatBytes, formatDuration, formatLatency, formatPercent, formatRate, tcpBytes } from "./values.ts";

interface Row { readonly name: string; readonly count: number }
const columns: readonly Column<Row>[] = [
  { header: "NAME", value: (r) => r.name, shrink: true },
  { header: "COUNT", value: (r) => String(r.count), align: "right" },
];
const rows: readonly Row[] = [{ name: "web", count: 7 }, { name: "a-long-service-name", count: 12_000 }];

describe("tables", () => {
  test("align, without trailing blanks", () => {
    expect(renderTable(columns, rows)).toBe(
      "NAME                 COUNT\nweb                      7\na-long-service-name  12000\n");
  });

  test("on a terminal the widest column that may shrink is cut", () => {
    const lines = renderTable(columns, rows, { width: 20, unicode: true }).split("\n");
    expect(lines[2]).toBe("a-long-servi…  12000");
    expect(renderTable(columns, rows, { width: 20 })).toContain("a-long-ser...");
  });

  test("colours take no width, wide characters two", () => {
    const style = createStyle(true, true);
    expect(displayWidth(style.red("abc"))).toBe(3);
    expect(displayWidth("日本")).toBe(4);
    const colored = renderTable([{ ...columns[0]!, value: (r: Row) => style.green(r.name) }, columns[1]!], rows);
    expect(colored.split("\n").map(displayWidth)).toEqual([26, 26, 26, 0]);
  });

  test("escape sequences in foreign text never reach the terminal", () => {
    expect(clean("a\u001b[2Jb\u0007\nc")).toBe("ab c");
  });
});

describe("what the terminal can show", () => {
  test.each([
    ["auto", {}, true, true],
    ["auto", {}, false, false],
    ["auto", { NO_COLOR: "1" }, true, false],
    ["auto", { NO_COLOR: "" }, true, true],
    ["auto", { TERM: "dumb" }, true, false],
    ["auto", { CLICOLOR_FORCE: "1" }, false, true],
    ["auto", { CLICOLOR_FORCE: "0" }, false, false],
    ["auto", { NO_COLOR: "1", CLICOLOR_FORCE: "1" }, false, false],
    ["always", { NO_COLOR: "1" }, false, true],
    ["never", { CLICOLOR_FORCE: "1" }, true, false],
  ] as const)("--color=%s with %o, TTY %s: %s", (when, env, tty, want) => {
    expect(wantsColor(when, env, tty)).toBe(want);
  });

  test("marks fall back to ASCII where the locale is not UTF-8", () => {
    expect(wantsUnicode({ LANG: "C" })).toBe(false);
    expect(wantsUnicode({ LC_ALL: "C", LANG: "de_DE.UTF-8" })).toBe(false);
    expect(wantsUnicode({ LC_ALL: "", LANG: "C.utf8" })).toBe(true);
    expect(statusText(createStyle(false, false), "critical")).toBe("x critical");
    expect(statusText(createStyle(false, true), "passing")).toBe("✓ passing");
  });
});

describe("numbers", () => {
  test("durations show their two largest units", () => {
    expect([0, 999, 45_000, 3_600_000, 39_840_000, 90_061_000, -5_000].map(formatDuration))
      .toEqual(["0ms", "999ms", "45s", "1h", "11h 4m", "1d 1h", "-5s"]);
  });

  test("latencies, rates, shares and bytes", () => {
    expect([0.4123, 12.34, 250.4, 1_234, undefined].map(formatLatency))
      .toEqual(["0.412 ms", "12.3 ms", "250 ms", "1.23 s", "-"]);
    expect([0, 0.009, 0.44, 120.4].map(formatRate)).toEqual(["0/s", "<0.1/s", "0.4/s", "120/s"]);
    expect([0, 0.0004, 0.256, 1].map(formatPercent)).toEqual(["0%", "<0.1%", "25.6%", "100%"]);
    expect([0, 999, 12_345, 1_500_000].map(formatBytes)).toEqual(["0 B", "999 B", "12.3 kB", "1.50 MB"]);
  });

  test("an edge without TCP connections shows no bytes, not none", () => {
    const edge = { sent_bytes: 0, received_bytes: 0, tcp_connections: 0 };
    expect([tcpBytes(edge), tcpBytes({ ...edge, tcp_connections: 1 }), tcpBytes({ ...edge, sent_bytes: 7 })])
      .toEqual(["-", "0 B", "7 B"]);
  });
});
