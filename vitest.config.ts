import { defineConfig } from "vitest/config";

const unit = ["core", "io", "server", "agent", "proxy", "cli", "bench", "examples"].map((d) => `${d}/**/*.test.ts`);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [...unit, "test/tidy.test.ts"],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
          // A process per file would cost more than the tests in it; they wait more than they compute.
          isolate: false,
          maxWorkers: 3,
        },
      },
      { test: { name: "fuzz", include: ["test/fuzz/**/*.test.ts"], testTimeout: 120_000, sequence: { groupOrder: 1 } } },
      { test: { name: "sim", include: ["test/sim/**/*.test.ts"], testTimeout: 240_000, sequence: { groupOrder: 2 } } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
