import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bundledModel } from "../../server/model/model-folder.ts";
import { start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));

test.each([64, 128])(
  "faces-%d: on heads it was not trained on, factors have latents of their own and pictures come back",
  { timeout: 120_000 },
  async (side) => {
    const heads = join(out, String(side));
    const drawn = await start("faces", "--count", "150", "--size", String(side), "--seed", "3", "--out", heads)
      .finished;
    expect(drawn.code, drawn.stderr).toBe(0);
    const model = bundledModel(`faces-${side}`);
    const { code, stdout, stderr } = await start("evaluate", model, "--faces", heads, "--backend", "wasm", "--json")
      .finished;
    expect(code, stderr).toBe(0);
    const { ownLatents, active, psnrDb } = JSON.parse(stdout);
    // The cards give figures on 1,200 heads; with 150, a factor that is near the bound may fall below it.
    expect(active).toBe(12);
    expect(ownLatents).toBeGreaterThanOrEqual(10);
    expect(psnrDb).toBeGreaterThan(24);
  },
);
