import type { SlabPool } from "../../core/tunnel/outbox.ts";

const SLAB_SIZE = 65_536;
/** More than this lie idle only after a burst. */
const KEPT_MAX = 8;

/** Buffers for tunnel writes, shared by all tunnels of the process: each is held from the first frame to the write. */
export function createSlabPool(size = SLAB_SIZE): SlabPool {
  const free: Uint8Array[] = [];
  return {
    acquire: () => free.pop() ?? Buffer.allocUnsafeSlow(size),
    release: (slab) => {
      if (free.length < KEPT_MAX) free.push(slab);
    },
  };
}
