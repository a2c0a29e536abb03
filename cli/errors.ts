import { MeshError, errorBody } from "../core/base/errors.ts";
import type { Format } from "./spec.ts";
import type { Style } from "./terminal.ts";

export const EXIT_INTERRUPTED = 130;

/** Ctrl-C in an ordinary command: no message, exit code 130. */
export class Interrupted extends Error {
  override name = "Interrupted";
}

/** Whatever was thrown as what a person is told. A fault of our own keeps its stack for a report. */
export function asMeshError(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const { code, message, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (syscall !== undefined && code !== undefined) return systemError(code, message ?? code, path);
  return new MeshError("INTERNAL", error instanceof Error ? (error.stack ?? error.message) : String(error), {
    cause: error,
  });
}

const SYSTEM: Readonly<Record<string, [reason: string, fix: string]>> = {
  ENOENT: ["there is no such file or folder", "check the path"],
  EACCES: ["permission denied", "check the owner and mode of the file and of its folders"],
  EPERM: ["the operating system does not permit it", "check who you are: id"],
  EISDIR: ["it is a folder", "name a file"],
  ENOTDIR: ["a part of the path is not a folder", "check the path"],
  ENOSPC: ["the disk is full", "free some space and try again"],
  EROFS: ["the file system is read-only", "choose another folder"],
};

function systemError(code: string, message: string, path: string | undefined): MeshError {
  if (code === "EADDRINUSE") return new MeshError("ADDRESS_IN_USE", message);
  const [reason, fix] = SYSTEM[code] ?? [message, "check the operating system's state"];
  return new MeshError("INVALID", path === undefined ? reason : `${path}: ${reason}`, { fix });
}

/** The text for stderr: what, where, fix; one JSON document when the command's answer would have been JSON. */
export function renderError(error: MeshError, format: Format, style: Style): string {
  if (format === "json") return `${JSON.stringify(errorBody(error))}\n`;
  const indent = (text: string, by: number): string => text.trimEnd().split("\n").join(`\n${" ".repeat(by)}`);
  const lines = [`${style.red("Error:")} ${indent(error.message, 7)}`];
  if (error.where !== undefined && !error.message.includes(error.where)) lines.push(`  at: ${indent(error.where, 6)}`);
  if (error.fix !== "") lines.push(`  ${style.cyan("fix:")} ${indent(error.fix, 7)}`);
  return `${lines.join("\n")}\n`;
}

/** For a command that refuses its arguments. */
export const usage = (message: string, fix: string): MeshError => new MeshError("USAGE", message, { fix });

/** Several mistakes of one kind of input as one error; its code is theirs when they agree. */
export function joinErrors(errors: readonly MeshError[]): MeshError {
  const [first, ...others] = errors;
  if (first === undefined || others.length === 0) return first ?? new MeshError("INTERNAL", "no error");
  const code = others.every((e) => e.code === first.code) ? first.code : "INVALID";
  const fix = [...new Set(errors.map((e) => e.fix))].join("\n");
  return new MeshError(code, errors.map((e) => e.message).join("\n"), { fix });
}
