/** Majorities (Raft thesis 3.6, 5.3). Kept apart so that joint or weighted groups can replace only this file. */

/** How many of `size` voters are a majority. */
export function majority(size: number): number {
  return Math.floor(size / 2) + 1;
}

/**
 * The highest value that a majority of voters has reached; 0 without voters.
 * Used for indexes (what is committed) and for read rounds (what is confirmed).
 */
export function quorumValue(voters: readonly string[], valueOf: (id: string) => number): number {
  if (voters.length === 0) return 0;
  if (voters.length === 1) return valueOf(voters[0]!);
  const values = voters.map(valueOf).sort((a, b) => b - a);
  return values[majority(voters.length) - 1]!;
}

export type VoteResult = "won" | "lost" | "pending";

/** Lost means that the missing votes cannot change it any more. No voters, no winner. */
export function voteResult(voters: readonly string[], votes: ReadonlyMap<string, boolean>): VoteResult {
  if (voters.length === 0) return "lost";
  let granted = 0;
  let open = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) open++;
    else if (vote) granted++;
  }
  const needed = majority(voters.length);
  if (granted >= needed) return "won";
  return granted + open >= needed ? "pending" : "lost";
}
