import { appendFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { modelDigest } from "../../server/model/digest.ts";
import { bundledModel } from "../../server/model/model-folder.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));

describe("J13 a model that is another one when a session goes on", () => {
  test("its digest is of all that the networks may be made of, and of nothing for readers", async () => {
    const folder = join(out, "digested");
    mkdirSync(join(folder, "shards"), { recursive: true });
    writeFileSync(join(folder, "model.json"), "{}");
    writeFileSync(join(folder, "shards", "1.bin"), "abc");
    const first = await modelDigest(folder);
    writeFileSync(join(folder, "README.md"), "for readers");
    writeFileSync(join(folder, "sheet.png"), "too");
    expect(await modelDigest(folder)).toBe(first);
    writeFileSync(join(folder, "shards", "1.bin"), "abd");
    const second = await modelDigest(folder);
    expect(second).not.toBe(first);
    cpSync(join(folder, "shards", "1.bin"), join(folder, "shards", "2.bin"));
    expect(await modelDigest(folder)).not.toBe(second);
  });

  test("is refused, and a replay says that it is another", { timeout: 180_000 }, async () => {
    const model = join(out, "model");
    cpSync(bundledModel("faces-64"), model, { recursive: true });
    const file = join(out, "experiment.yaml");
    writeFileSync(
      file,
      `
name: swapped
trials: 500
model: ./model
latents: 12
stimulus: { onMs: 100, gapMs: 100 }
response: { latencyMs: 40, windowMs: 120 }
choice: { objective: random }
simulation: { ramp: 2 }
`,
    );
    const running = start("run", file, ...anyPorts, "--display", "headless", "--out", out);
    const [, folder] = await running.says(/session (\/.*)/);
    await running.says(/display connected/);
    running.signal("SIGKILL");
    await running.finished;
    appendFileSync(join(model, "card.json"), "\n");
    const { code, stderr } = await start("run", "--resume", folder, "--port", "0").finished;
    expect(stderr).toMatch(/expected model .* as it was when the session ran \(digest \w{16}\), found another/);
    expect(code).toBe(2);
    const replay = await start("replay", folder, "--verify").finished;
    expect(replay.stdout).toMatch(/note: model .*: it is not what the session ran with/);
    expect(replay.code).toBe(0);
  });
});
