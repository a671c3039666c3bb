import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ConfigurationError } from "../../server/failure.ts";
import { openModel } from "../../server/model/backends.ts";
import { inspectModel } from "../../server/model/inspection.ts";
import { readModel } from "../../server/model/model-folder.ts";
import { optional } from "../../server/model/optional.ts";

const fixtures = join(import.meta.dirname, "../fixtures/models");
const onnx = await optional("onnxruntime-node").then(
  () => true,
  () => false,
);
if (!onnx) process.stderr.write("onnxruntime-node is not installed: tests of ONNX models are skipped\n");

interface Expected {
  latents: number[][];
  /** Row-major as the network gives them. */
  images: number[][];
  realised?: number[][];
}
const expectedOf = async (name: string): Promise<Expected> =>
  JSON.parse(await readFile(join(fixtures, name, "expected.json"), "utf8"));

/** A copy of a fixture with a changed card. */
// biome-ignore lint/suspicious/noExplicitAny: the point is to break a card in ways that its type forbids
async function changed(name: string, change: (card: any) => void): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), "model-")), name);
  await cp(join(fixtures, name), folder, { recursive: true });
  const card = JSON.parse(await readFile(join(folder, "card.json"), "utf8"));
  change(card);
  await writeFile(join(folder, "card.json"), JSON.stringify(card));
  return folder;
}

async function refused(folder: string, reason: RegExp) {
  const error: Error = await readModel(folder)
    .then((model) => openModel(model).then(({ decoder }) => inspectModel(decoder, model)))
    .then(
      () => expect.unreachable("the model was accepted"),
      (error) => error,
    );
  expect(error.message).toMatch(reason);
  expect(error).toBeInstanceOf(ConfigurationError);
  expect(error.message).not.toContain("\n");
}

const level = (value: number, [black, white]: readonly number[]) =>
  Math.round((255 * (value - black)) / (white - black));

describe.skipIf(!onnx)("an ONNX model that PyTorch exported", () => {
  test("gives PyTorch's own pixels, to one level, on onnxruntime", async () => {
    const { latents, images } = await expectedOf("pytorch-vae");
    const model = await readModel(join(fixtures, "pytorch-vae"));
    const { decoder, backend } = await openModel(model);
    expect(backend.name).toMatch(/^onnxruntime/);
    const faces = await decoder.decode(Float32Array.from(latents.flat()));
    expect(faces.length).toBe(3 * 16 * 16 * 4);
    images.flat().forEach((value, pixel) => {
      const [r, g, b, a] = faces.subarray(pixel * 4, pixel * 4 + 4);
      expect(Math.abs(r - level(value, [0, 1]))).toBeLessThanOrEqual(1);
      expect([g, b, a]).toEqual([r, r, 255]);
    });
  });

  test("its encoder reads back what PyTorch's reads back", async () => {
    const { latents, realised } = await expectedOf("pytorch-vae");
    const { decoder } = await openModel(await readModel(join(fixtures, "pytorch-vae")));
    const faces = await decoder.decode(Float32Array.from(latents.flat()));
    const { mean } = await decoder.encode!(faces);
    // A pixel that rounds the other way moves a mean by about a hundredth.
    for (const [k, value] of realised!.flat().entries()) expect(Math.abs(value - mean[k])).toBeLessThan(0.02);
  });

  test("a latent that the decoder ignores is told, with its number", async () => {
    const model = await readModel(join(fixtures, "pytorch-vae"));
    const { warnings, reach } = await inspectModel((await openModel(model)).decoder, model);
    expect(warnings).toEqual([
      expect.stringMatching(/ignores 1 of 4 latents: z1 moves no pixel by more than [01] of 255/),
    ]);
    for (const levels of reach.slice(1)) expect(levels).toBeGreaterThan(50);
  });

  test("wrong counts and sizes are refused, with what was expected and found", async () => {
    await refused(
      await changed("pytorch-vae", ({ latents }) => {
        latents.count = 5;
        delete latents.each;
      }),
      /decoder\.onnx: expected input \[n, 5\].*found \[n, 4\]/,
    );
    await refused(
      await changed("pytorch-vae", ({ image, network }) => {
        image.width = 20;
        delete network.encoder;
      }),
      /decoder\.onnx: expected output \[\d+, 1, 16, 20\], found \[\d+, 1, 16, 16\]/,
    );
    await refused(
      await changed("pytorch-vae", ({ image }) => {
        image.height = 20;
      }),
      /encoder\.onnx: expected input \[n, 1, 20, 16\].*found \[n, 1, 16, 16\]/,
    );
    const broken = await changed("pytorch-vae", () => {});
    await writeFile(join(broken, "decoder.onnx"), "no model");
    await refused(broken, /decoder\.onnx: expected an ONNX model/);
  });

  test("numbers that are not finite are refused, with how many", async () => {
    const folder = await changed("pytorch-vae", ({ latents }) => {
      latents.each[2].prior = { mean: 0, sd: 1e38 };
    });
    await refused(folder, /decoder\.onnx: expected finite numbers, found \d+ of \d+ that are not/);
  });

  test("values beyond the card's range of pixels are told, with the share", async () => {
    const folder = await changed("pytorch-vae", ({ image }) => {
      image.pixelRange = [0, 0.5];
    });
    const model = await readModel(folder);
    const { warnings } = await inspectModel((await openModel(model)).decoder, model);
    expect(warnings[0]).toMatch(/where image\.pixelRange is 0 to 0\.5: \d+\.\d % of values are clipped/);
  });
});

test.each(["layers", "graph"])(
  "a TensorFlow.js %s model that Keras exported gives Keras's own pixels",
  async (kind) => {
    const { latents, images } = await expectedOf(`keras-${kind}`);
    const model = await readModel(join(fixtures, `keras-${kind}`));
    const { decoder } = await openModel(model, "wasm");
    const faces = await decoder.decode(Float32Array.from(latents.flat()));
    images.flat().forEach((value, k) => {
      const byte = faces[Math.floor(k / 3) * 4 + (k % 3)];
      expect(Math.abs(byte - level(value, [-1, 1]))).toBeLessThanOrEqual(1);
    });
    expect(decoder.encode).toBeUndefined();
    expect((await inspectModel(decoder, model)).warnings).toEqual([]);
  },
);

test("a card is refused with the field that is wrong", async () => {
  await refused(
    await changed("keras-layers", ({ image }) => {
      image.channels = 2;
    }),
    /image\.channels/,
  );
  await refused(
    await changed("keras-layers", ({ network }) => {
      network.decoder = "../elsewhere/model.json";
    }),
    /network\.decoder: expected a file in the model's folder/,
  );
  const leaking = await changed("keras-layers", () => {});
  const json = join(leaking, "decoder/model.json");
  await writeFile(json, (await readFile(json, "utf8")).replace(/"paths": ?\["/, '"paths": ["../../'));
  await refused(leaking, /expected its weights in files beside it, found \.\.\/\.\.\//);
  await refused(
    await changed("keras-layers", ({ network }) => {
      network.decoder = "decoder/none.json";
    }),
    /network\.decoder: expected a file decoder\/none\.json/,
  );
  await refused(
    await changed("keras-layers", ({ network }) => {
      network.kind = "tfjs-graph";
    }),
    /expected a graph-model, found a layers-model/,
  );
});
