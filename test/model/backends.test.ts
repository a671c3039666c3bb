import { expect, test } from "vitest";
import { ConfigurationError } from "../../server/failure.ts";
import { defaultArchitecture } from "../../server/model/architecture.ts";
import { backendName } from "../../server/model/backend-name.ts";
import { chooseBackend, useBackend } from "../../server/model/backends.ts";
import { createDecoder } from "../../server/model/decoder.ts";
import { measureProbe, probeTolerance } from "../../server/model/probe.ts";
import { random } from "../../server/random.ts";
import { untrained } from "./tiny.ts";

const model = untrained(defaultArchitecture(64, 12));
await useBackend("cpu");
model.card.probe = await measureProbe(model);

const draws = random(2);
const latents = Float32Array.from({ length: 3 * 12 }, () => draws.normal());

test("wasm decodes the same pixels as the plain cpu backend, to one level", async () => {
  const decoded: Uint8Array[] = [];
  for (const forced of ["cpu", "wasm"] as const) {
    expect((await chooseBackend({ model, forced })).name).toBe(forced);
    const decoder = createDecoder(model);
    decoded.push(await decoder.decode(latents));
    decoder.dispose();
  }
  const differences = decoded[0].map((value, i) => Math.abs(value - decoded[1][i]));
  expect(decoded[0].length).toBe(3 * 64 * 64 * 4);
  expect(Math.max(...differences)).toBeLessThanOrEqual(1);
});

test("without a native backend wasm is chosen, and the others' absence is told", async () => {
  const { name, version, passedOver } = await chooseBackend({ model });
  expect(["tfjs-node-gpu", "tfjs-node", "webgpu", "wasm"]).toContain(name);
  expect(version).toMatch(/^\d+\.\d+/);
  for (const { reason } of passedOver) expect(reason).not.toBe("");
});

test("a backend that decodes wrongly is passed over, and refused when forced", async () => {
  const { probe } = model.card;
  const wrong = { ...probe, values: probe.values.map((value) => value + 2 * probeTolerance) };
  const broken = { ...model, card: { ...model.card, probe: wrong } };
  await expect(chooseBackend({ model: broken, forced: "wasm" })).rejects.toThrow(/wasm.*off by 1\.\d of 255/);
  await expect(chooseBackend({ model: broken })).rejects.toThrow(ConfigurationError);
});

test("a backend that is not installed cannot be forced", async () => {
  await expect(chooseBackend({ model, forced: "tfjs-node-gpu" })).rejects.toThrow(/tfjs-node-gpu.*(not installed|GPU)/);
  expect(() => backendName("cuda")).toThrow(/expected tfjs-node-gpu.*got "cuda"/);
});
