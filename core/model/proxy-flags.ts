/**
 * How a proxy's process is to be started: Node flags before the program, and variables of its environment. Together
 * they take the private memory of a loaded proxy from about 50 MB to about 25.
 */
export const PROXY_NODE_FLAGS: readonly string[] = [
  // A young generation that is emptied often holds few survivors: scavenges stay under a millisecond.
  "--max-semi-space-size=1",
  // No helper threads for a heap of a few megabytes; their stacks and arenas would cost more than they save.
  "--v8-pool-size=0",
  // The old generation is collected early: without it, connections that came and went leave 25 MB behind for good
  // (measured; costs no CPU that could be measured).
  "--memory-saver-mode",
  "--disable-warning=ExperimentalWarning",
];

export const PROXY_ENVIRONMENT: Readonly<Record<string, string>> = {
  // One heap for the one thread that allocates.
  MALLOC_ARENA_MAX: "1",
  // Nothing on the request's path uses the pool: no DNS, no files.
  UV_THREADPOOL_SIZE: "1",
};
