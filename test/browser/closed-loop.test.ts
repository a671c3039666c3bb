import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { chooseBackend } from "../../server/model/backends.ts";
import { createDecoder } from "../../server/model/decoder.ts";
import { bundledModel, readModelFolder } from "../../server/model/model-folder.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import type { SessionSummary } from "../../server/session/summary.ts";
import { faceBox } from "../../stimulus-client/layout.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";
import { launchChromium } from "./chromium.ts";
import { differing, screenshot } from "./screen.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));
const viewport = { width: 800, height: 600 };

test.each(["faces-64", "faces-128"])(
  "the main job: simulated rig, real browser; the faces on the screen are the decoder's, pixel for pixel: %s",
  async (name) => {
    const experiment = join(out, `${name}.yaml`);
    // Long enough on the screen for a screenshot of a face that is not about to change.
    writeFileSync(
      experiment,
      readFileSync("protocols/experiments/one-to-one.yaml", "utf8")
        .replace("onMs: 200", "onMs: 3000")
        .replace("model: faces-64", `model: ${name}`),
    );
    const session = start("run", experiment, ...anyPorts, "--out", out, "--trials", "5", "--seed", "1", "--json");
    const [, url] = await session.says(/open (http:\S+) in a browser/);
    const browser = await launchChromium();
    const page = await browser.newPage({ viewport });
    await page.goto(url);
    await page.locator("#readout", { hasText: "trial 2 of 5" }).waitFor();
    const { at } = await screenshot(page, "closed-loop");
    const { code, stdout, stderr } = await session.finished;
    await browser.close();

    expect(code, stderr).toBe(0);
    const summary = JSON.parse(stdout) as SessionSummary;
    expect(summary).toMatchObject({ trials: 5, spikes: { lost: 0, rejected: 0 }, deadlineMisses: 0 });

    const model = await readModelFolder(bundledModel(name));
    await chooseBackend({ model, forced: "wasm" });
    const decoder = createDecoder(model);
    const { records } = await readJournal(summary.sessionDir);
    const chosen = records.filter((r) => r.kind === "choice") as unknown as { latentsF64: Uint8Array }[];
    const { width, height } = model.card.image;
    const wrongPixels: number[] = [];
    for (const { latentsF64 } of chosen) {
      const latents = new Float64Array(Uint8Array.from(latentsF64).buffer);
      const face = { width, height, pixels: await decoder.decode(Float32Array.from(latents)) };
      wrongPixels.push(differing(at, face, faceBox(face, viewport, 0.6)));
    }
    // Exactly one of the faces that were chosen is on the screenshot, and all of it.
    expect(wrongPixels.filter((n) => n === 0)).toHaveLength(1);
  },
);
