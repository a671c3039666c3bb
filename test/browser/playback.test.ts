import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chooseBackend } from "../../server/model/backends.ts";
import { createDecoder } from "../../server/model/decoder.ts";
import { bundledModel, readModelFolder } from "../../server/model/model-folder.ts";
import { readSession } from "../../server/session/folder.ts";
import { faceBox } from "../../stimulus-client/layout.ts";
import { smallExperiment, start, temporaryFolder } from "../cli.ts";
import { differing, screenshot } from "./screen.ts";
import { sharedChromium } from "./shared.ts";

const out = temporaryFolder();
const browser = sharedChromium();
let folder: string;
beforeAll(async () => {
  const experiment = join(out, "small.yaml");
  await writeFile(experiment, smallExperiment("small", 30, "{ ramp: 2, bump: 1 }"));
  const run = start("run", experiment, "--virtual", ...["--seed", "3", "--out", out, "--json"]);
  folder = JSON.parse((await run.finished).stdout).sessionDir;
});
afterAll(() => rm(out, { recursive: true }));

test("J15: the faces on the screen are the session's, pixel for pixel; dashboards follow, and one that goes elsewhere stays", async () => {
  const viewport = { width: 800, height: 600 };
  const playing = start("replay", folder, ...["--speed", "0.2", "--port", "0"]);
  const [, url] = await playing.says(/open (http:\S+) in a browser/);
  const [display, following, elsewhere] = await Promise.all([1, 2, 3].map(() => browser().newPage({ viewport })));
  await following.goto(`${url}dashboard`);
  await elsewhere.goto(`${url}dashboard`);
  const words = (page: typeof display) => page.locator("#trial-words");
  // Nothing is told of what has not been played.
  await words(following)
    .filter({ hasText: /^0 of 30/ })
    .waitFor();
  await display.goto(url);
  await display.locator("#readout", { hasText: "trial 2 of 30" }).waitFor();
  // A face is on for a second, and a quarter of one passes without.
  const screens = [];
  for (let i = 0; i < 3; i++) screens.push(await screenshot(display, `playback-${i}`));
  await words(following)
    .filter({ hasText: /^[3-9] of 30/ })
    .waitFor();
  expect(await following.locator("#state .word").innerText()).toBe("Past");

  await words(elsewhere)
    .filter({ hasText: /^[3-9] of 30/ })
    .waitFor();
  await elsewhere.locator("#trial").fill("1");
  await words(elsewhere)
    .filter({ hasText: /^1 of 30/ })
    .waitFor();
  const at = async () => Number((await words(following).innerText()).split(" ")[0]);
  const then = await at();
  await expect.poll(at, { timeout: 10_000 }).toBeGreaterThan(then + 1);
  expect(await words(elsewhere).innerText()).toMatch(/^1 of 30/);

  playing.signal("SIGINT");
  expect((await playing.finished).code).toBe(0);

  const shown: Float64Array[] = [];
  await readSession(folder, (event) => {
    if (event.kind === "choice") shown.push(event.choice.latents);
  });
  const model = await readModelFolder(bundledModel("faces-64"));
  await chooseBackend({ model, forced: "wasm" });
  const decoder = createDecoder(model);
  const { width, height } = model.card.image;
  const faces = await Promise.all(
    shown.slice(0, 8).map(async (latents) => ({ width, pixels: await decoder.decode(Float32Array.from(latents)) })),
  );
  const box = faceBox({ width, height }, viewport, 0.6);
  const exact = screens.map(({ at }) => faces.filter((face) => differing(at, face, box) === 0).length);
  expect(Math.max(...exact)).toBe(1);
});
