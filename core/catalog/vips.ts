import { assert } from "../base/assert.ts";

/** Last octets 1 to 254: hosts and tools treat .0 and .255 with suspicion. */
const PER_BLOCK = 254;
const BLOCKS = 16 * 256 * 256;
/** Services that can have an address of 240.0.0.0/4. */
export const VIRTUAL_IPS = PER_BLOCK * BLOCKS;

/** The nth address of 240.0.0.0/4, from 240.0.0.1 on; addresses are never given back, so n is their count. */
export function virtualIp(n: number): string {
  assert(n < VIRTUAL_IPS, `virtual addresses are used up: ${n}`);
  const block = Math.floor(n / PER_BLOCK);
  return `${240 + (block >> 16)}.${(block >> 8) & 255}.${block & 255}.${(n % PER_BLOCK) + 1}`;
}
