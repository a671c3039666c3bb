import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { useBackend } from "../../server/model/backends.ts";
import { createDecoder } from "../../server/model/decoder.ts";
import { tinyArchitecture, untrained } from "./tiny.ts";

beforeAll(() => useBackend("wasm"));

test("a thousand decodes leave no tensor behind, and disposing frees the weights", async () => {
  const before = tf.memory().numTensors;
  const decoder = createDecoder(untrained(tinyArchitecture));
  const loaded = tf.memory().numTensors;
  for (let i = 0; i < 1000; i++) await decoder.decode(Float32Array.of(i / 1000, 0, 1));
  await decoder.encode(new Uint8Array(8 * 8 * 4));
  expect(tf.memory().numTensors).toBe(loaded);
  decoder.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test("a face depends on its own latents alone, bit for bit, and is opaque", async () => {
  const decoder = createDecoder(untrained(tinyArchitecture));
  const [a, b] = [
    [0.3, -2, 1],
    [1, 1, -1],
  ];
  const together = await decoder.decode(Float32Array.from([...a, ...b]));
  expect(together.slice(0, 256)).toEqual(await decoder.decode(Float32Array.from(a)));
  expect(together.slice(256)).toEqual(await decoder.decode(Float32Array.from(b)));
  for (let i = 3; i < together.length; i += 4) expect(together[i]).toBe(255);
  decoder.dispose();
});

test("encoding ignores alpha and gives a mean and a positive spread for each latent", async () => {
  const decoder = createDecoder(untrained(tinyArchitecture));
  const face = await decoder.decode(Float32Array.of(0, 0, 0));
  const opaque = await decoder.encode(face);
  for (let i = 3; i < face.length; i += 4) face[i] = 0;
  expect(await decoder.encode(face)).toEqual(opaque);
  expect(opaque.mean.length).toBe(3);
  for (const sd of opaque.sd) expect(sd).toBeGreaterThan(0);
  decoder.dispose();
});

test("what is not a code or a face is refused", async () => {
  const decoder = createDecoder(untrained(tinyArchitecture));
  await expect(decoder.decode(Float32Array.of(1, 2))).rejects.toThrow("expected a multiple of 3 latents, got 2");
  await expect(decoder.decode(Float32Array.of(1, Number.NaN, 2))).rejects.toThrow("finite");
  await expect(decoder.encode(new Uint8Array(5))).rejects.toThrow("256 bytes");
  decoder.dispose();
});
