/** `npm run bench`: the figures of the README's table as JSON on stdout. Add `quick` to leave out the slow ones. */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { NEVER } from "rxjs";
import { runLive } from "../../server/live.ts";
import type { LiveOptions } from "../../server/live-edges.ts";
import { chooseBackend } from "../../server/model/backends.ts";
import { createDecoder, type Decoder } from "../../server/model/decoder.ts";
import { bundledModel, readModelFolder } from "../../server/model/model-folder.ts";
import { random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { benchAcquisition } from "./acquisition.ts";
import { benchDecision, benchVirtualSession } from "./decision.ts";
import { spread } from "./spread.ts";

const quick = process.argv.includes("quick");
const say = (what: string) => process.stderr.write(`bench: ${what}\n`);

async function benchDecode() {
  const model = await readModelFolder(bundledModel("faces-64"));
  const { name, version } = await chooseBackend({ model });
  const decoder = createDecoder(model);
  const r = random(1);
  const face = () => Float32Array.from({ length: model.card.latents.count }, () => r.normal());
  const times: number[] = [];
  for (let i = 0; i < 320; i++) {
    const start = performance.now();
    await decoder.decode(face());
    if (i >= 20) times.push(performance.now() - start);
  }
  return { backend: `${name} ${version}`, oneFaceMs: spread(times), memory: quick ? null : await benchMemory(decoder) };
}

/** What ten thousand faces leave behind, in calls of 32. */
async function benchMemory(decoder: Decoder) {
  const codes = new Float32Array(32 * 12);
  const decode = (faces: number) => decoder.decode(codes.fill(faces / 10_000));
  for (let faces = 0; faces < 640; faces += 32) await decode(faces);
  const held = () => ({ rssMiB: process.memoryUsage().rss / 2 ** 20, ...tf.memory() });
  const before = held();
  for (let faces = 0; faces < 10_000; faces += 32) await decode(faces);
  const after = held();
  return {
    faces: 10_000,
    rssMiB: { before: before.rssMiB, after: after.rssMiB },
    backendBytesMore: after.numBytes - before.numBytes,
    tensorsMore: after.numTensors - before.numTensors,
  };
}

async function benchLive(trials: number) {
  const out = await mkdtemp(join(tmpdir(), "latentloop-bench-"));
  const experimentFile = "protocols/experiments/one-to-one.yaml";
  const options: LiveOptions = {
    experimentFile,
    rig: "sim",
    rigFormat: "latentloop",
    display: "headless",
    host: "127.0.0.1",
    port: 0,
    events: "tcp://127.0.0.1:*",
    out,
  };
  const experiment = await readExperiment(experimentFile, { trials });
  const { summary } = await runLive(experiment, options, NEVER, { said() {}, changed() {}, stop() {} });
  await rm(out, { recursive: true });
  const { lastSpikeToReadyMs, deadlineMisses, droppedFrames, spikes, backend } = summary;
  return { trials, lastSpikeToReadyMs, deadlineMisses, droppedFrames, spikes, backend };
}

say("decode");
const decode = await benchDecode();
say("tuning + choice");
const decisions = [await benchDecision(20, 400), await benchDecision(100, 400)];
if (!quick) decisions.push(await benchDecision(1000, 150));
const flatness = quick ? null : await benchDecision(20, 10_000);
say("virtual session");
const virtualSession = await benchVirtualSession(400);
say("acquisition");
const acquisition = await benchAcquisition();
say("live loop");
const live = await benchLive(quick ? 40 : 300);
process.stdout.write(
  `${JSON.stringify(
    {
      machine: { cpu: cpus()[0].model, cores: availableParallelism(), node: process.version },
      decode,
      decisions,
      trial10000OverTrial100: flatness?.lateOverEarly ?? null,
      virtualSession,
      acquisition,
      live,
    },
    null,
    2,
  )}\n`,
);
process.exit(0);
