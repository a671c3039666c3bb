/** One test of the same decoder and the same training step for every backend that this machine has. */
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { Push } from "zeromq";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import { openAcquisition } from "../../server/acquisition/acquisition.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import { backendNames } from "../../server/model/backend-name.ts";
import { useBackend } from "../../server/model/backends.ts";
import { createDecoder } from "../../server/model/decoder.ts";
import { adviceFor, agrees, measureApart, trainingTolerance } from "../../server/model/doctor/doctor.ts";
import { bundledModel } from "../../server/model/model-folder.ts";
import { extras, installArguments } from "../../server/model/native/extras.ts";
import { compilerArguments } from "../../server/model/native/link.ts";
import { openSynthesis } from "../../server/model/synthesis.ts";
import { start } from "../cli.ts";
import { tinyArchitecture, untrained } from "./tiny.ts";

describe("every backend that is here", () => {
  test.each(backendNames.filter((name) => name !== "cpu"))(
    "%s: the pixels of the plain cpu backend to one level, loss and gradients to 1e-5",
    async (name) => {
      const finding = await measureApart(name, "cpu");
      if (!finding.works) {
        // Not here: said in the report, and why; one that is here and crashes is a failure.
        expect(finding.reason).toMatch(/not installed|finds no|finds only a software adapter|native addon/);
        process.stderr.write(`${name} is not tested: ${finding.reason}\n`);
        return;
      }
      expect(agrees(finding.measured)).toBe(true);
      expect(finding.measured.trainingOff).toBeLessThan(trainingTolerance);
      expect(finding.measured.decodeMs.map(({ side, batch }) => `${side} ${batch}`)).toEqual([
        "64 1",
        "64 8",
        "64 32",
        "128 1",
        "128 8",
        "128 32",
      ]);
    },
    300_000,
  );
});

test("ten thousand faces in calls of 32 leave no tensor and no byte on the backend behind", async () => {
  await useBackend("wasm");
  const decoder = createDecoder(untrained(tinyArchitecture));
  const codes = new Float32Array(32 * tinyArchitecture.latents);
  await decoder.decode(codes);
  const before = tf.memory();
  for (let faces = 0; faces < 10_000; faces += 32) {
    await decoder.encode(await decoder.decode(codes.fill(faces / 10_000)));
  }
  const after = tf.memory();
  expect([after.numTensors, after.numBytes]).toEqual([before.numTensors, before.numBytes]);
  decoder.dispose();
}, 120_000);

test("a batch of 32 that is being decoded keeps no spike message waiting", async () => {
  const synthesis = await openSynthesis(
    { modelFolder: bundledModel("faces-64"), forced: "cpu", readBack: null },
    { lost() {}, back() {}, failed() {} },
  );
  const roster = createRoster([{ name: "a" }]);
  const acquisition = await openAcquisition({
    streams: [],
    address: "tcp://127.0.0.1:*",
    socket: "pull",
    format: "latentloop",
    roster,
  });
  const push = new Push();
  push.connect(acquisition.address);
  let batches = 0;
  const heard = new Promise<void>((resolve) => {
    acquisition.events$.subscribe((event) => {
      if (event.type === "batch" && ++batches === 200) resolve();
    });
  });
  let decoded = false;
  const faces = Array.from({ length: 32 }, (_, i) => new Float64Array(12).fill(i / 16));
  const decoding = synthesis.synthesise(faces).then((all) => {
    decoded = true;
    return all;
  });
  for (let seq = 0; seq < 200; seq++)
    await push.send(
      encodeSpikeMessage({
        v: 1,
        type: "spikes",
        stream: "s",
        seq,
        clock: "c",
        untilS: seq + 1,
        units: ["a"],
        unit: Uint16Array.of(0),
        timeS: Float64Array.of(seq + 0.5),
      }) as Buffer,
    );
  await heard;
  // On the plain cpu backend 32 faces take a second and more; 200 messages on loopback some milliseconds.
  expect(decoded).toBe(false);
  expect(await decoding).toHaveLength(32);
  push.close();
  acquisition.dispose();
  await synthesis.dispose();
}, 120_000);

describe("advice", () => {
  const none = { works: false as const, reason: "not installed" };
  const backends = backendNames.map((name) => ({ name, finding: none }));

  test("a machine with an NVIDIA GPU and nothing installed is told how to use it", () => {
    const advice = adviceFor(backends, none, true);
    expect(advice[0]).toMatch(/link-tensorflow --gpu/);
    expect(advice.at(-1)).toMatch(/onnxruntime-node@1\.30\.0/);
  });

  test("one command installs all extras, and leaves package.json as it is", () => {
    const args = installArguments(["webgpu", "onnxruntime-node"]);
    expect(args.slice(0, 3)).toEqual(["install", "--no-save", "--save-optional"]);
    expect(args).toEqual(expect.arrayContaining([`webgpu@${extras.webgpu}`, "onnxruntime-node@1.30.0"]));
  });

  test("the addon's run path is the TensorFlow that it was built against", () => {
    const args = compilerArguments("/p", "/site-packages/tensorflow", "/p/lib/x.node");
    expect(args).toContain("-Wl,-rpath,/site-packages/tensorflow");
    expect(args).toContain("-DNAPI_VERSION=8");
  });

  test("what is missing for link-tensorflow is named, exit code 2", async () => {
    const { code, stderr } = await start("link-tensorflow", "--compiler", "/nowhere/g++").finished;
    expect(code).toBe(2);
    expect(stderr).toMatch(/expected a C\+\+17 compiler.*found no \/nowhere\/g\+\+/);
  });
});

test("reconstruct: a face of the model comes back, with its latents and PSNR", async () => {
  const sheet = fileURLToPath(new URL("../../server/model/faces-64/traversals.png", import.meta.url));
  const { code, stdout, stderr } = await start(
    ...["reconstruct", "faces-64", sheet, "--backend", "wasm", "--json", "--out", "/tmp/latentloop-reconstruct.png"],
  ).finished;
  expect(code, stderr).toBe(0);
  const { images } = JSON.parse(stdout) as { images: { latents: number[]; psnrDb: number }[] };
  expect(images[0].latents).toHaveLength(12);
  expect(images[0].psnrDb).toBeGreaterThan(5);
  const broken = await start("reconstruct", "faces-64", "/nowhere.png", "--backend", "wasm").finished;
  expect(broken.code).toBe(2);
  expect(broken.stderr).toMatch(/\/nowhere\.png: expected an image/);
});
