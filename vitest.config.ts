import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // What must come may come late: other programs may be at work.
    expect: { poll: { timeout: 20_000 } },
  },
});
