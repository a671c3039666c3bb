import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bundledModel } from "../../server/model/model-folder.ts";
import { start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));

test.for([
  { side: 64, psnrOfCard: 25.4 },
  { side: 128, psnrOfCard: 24.8 },
])(
  "faces-$side: on heads it was not trained on, factors have latents of their own and pictures come back, as its card says",
  { timeout: 120_000 },
  async ({ side, psnrOfCard }, { skip }) => {
    const heads = join(out, String(side));
    const drawn = await start("faces", "--count", "150", "--size", String(side), "--seed", "3", "--out", heads)
      .finished;
    if (drawn.stderr.includes("could not be fetched")) skip("the data that heads are made of could not be fetched");
    expect(drawn.code, drawn.stderr).toBe(0);
    const model = bundledModel(`faces-${side}`);
    const { code, stdout, stderr } = await start("evaluate", model, "--faces", heads, "--backend", "wasm", "--json")
      .finished;
    expect(code, stderr).toBe(0);
    const { ownLatents, active, psnrDb } = JSON.parse(stdout);
    // The cards' figures are of 1,200 heads.
    expect(active).toBe(12);
    expect(ownLatents).toBeGreaterThanOrEqual(11);
    expect(Math.abs(psnrDb - psnrOfCard)).toBeLessThan(0.3);
  },
);
