import { entryBytes } from "./messages.ts";
import type { Progress } from "./progress.ts";
import { peers, send, type RaftState } from "./state.ts";

/** Sends one node what it may get next. `force` sends an empty append too: it carries the commit index. */
export function sendAppend(s: RaftState, to: string, force: boolean): boolean {
  const progress = s.progress.get(to);
  if (progress === undefined || progress.paused) return false;
  const prevIndex = progress.next - 1;
  const prevTerm = s.log.termAt(prevIndex);
  if (prevTerm === undefined) return sendSnapshot(s, to, progress);
  // With the window full only an empty append may go: if all before it were lost, its refusal says so.
  const throttled = progress.state === "replicate" && progress.inflightFull;
  const entries = throttled ? [] : s.log.slice(progress.next, s.log.lastIndex, s.config.maxMessageBytes);
  if (entries.length === 0 && !force) return false;
  send(s, to, { type: "append", prevIndex, prevTerm, entries, commit: s.log.committed });
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  progress.sent(entries.length, bytes);
  return true;
}

function sendSnapshot(s: RaftState, to: string, progress: Progress): boolean {
  const snapshot = s.log.snapshot;
  // No use in sending it to a node that is silent; it asks again by answering a heartbeat.
  if (snapshot === undefined || !progress.recentlyActive) return false;
  progress.becomeSnapshot(snapshot.index);
  send(s, to, { type: "snapshot", snapshot });
  return true;
}

/** As many appends as the window takes. */
export function fillWindow(s: RaftState, to: string): void {
  while (sendAppend(s, to, false)) {
    const progress = s.progress.get(to)!;
    if (progress.state !== "replicate") return;
  }
}

export function broadcastAppends(s: RaftState): void {
  s.appendsDue = false;
  for (const to of peers(s)) {
    sendAppend(s, to, true);
    fillWindow(s, to);
  }
}
