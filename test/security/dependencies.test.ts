import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("N10: what is installed is pinned by its content, and comes from the registry", () => {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    packages: Record<string, { integrity?: string; resolved?: string; link?: boolean }>;
  };
  const { "": _, ...installed } = packages;
  expect(Object.keys(installed).length).toBeGreaterThan(100);
  for (const [name, { integrity, resolved, link }] of Object.entries(installed)) {
    expect(integrity, name).toMatch(/^sha512-/);
    // Left out, as here, it is the registry that is set.
    expect(resolved ?? "https://registry.npmjs.org/", name).toMatch(/^https:\/\/registry\.npmjs\.org\//);
    expect(link, name).toBeUndefined();
  }
});
