import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MAN_PAGE, manPage } from "./man.ts";

test("the man page is what the command tree says today (bin/mesh-node cli/man.ts)", () => {
  expect(readFileSync(MAN_PAGE, "utf8")).toBe(manPage());
});

test("no line is taken for a request of roff that is none", () => {
  const requests = manPage().split("\n").filter((line) => /^['.]/.test(line)).map((line) => line.split(" ")[0]);
  const known = [".B", ".EE", ".EX", ".I", ".PP", ".SH", ".SS", ".TH", ".TP", '.\\"'];
  expect(new Set(requests)).toEqual(new Set(known));
});
