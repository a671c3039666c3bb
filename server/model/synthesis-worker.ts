/** Latents to faces on a thread of their own: TensorFlow's calls block. */
import { handOver, serve } from "../worker.ts";
import { type BackendName, chooseBackend } from "./backends.ts";
import { createDecoder, type Decoder } from "./decoder.ts";
import { readModelFolder } from "./model-folder.ts";

export interface SynthesisData {
  modelFolder: string;
  /** Null: the best that works. */
  forced: BackendName | null;
}

/** Faces kept for when they are asked for again; designs that repeat faces need about this many. */
const CACHED_FACES = 256;

serve(({ modelFolder, forced }: SynthesisData) => {
  let decoder: Decoder;
  let origin: Float32Array;
  const cache = new Map<string, Uint8Array>();
  return {
    /** Loads the model and picks the backend; to be called once, before anything else. */
    async start() {
      const model = await readModelFolder(modelFolder);
      const choice = await chooseBackend({ model, ...(forced && { forced }) });
      decoder = createDecoder(model);
      // The first decode compiles kernels and allocates; better now than when a face is due.
      origin = new Float32Array(model.card.latents.count);
      for (let i = 0; i < 3; i++) await decoder.decode(origin);
      return choice;
    },
    /** A decode that is thrown away: nothing changes but what the processor has at hand. */
    async rehearse() {
      await decoder.decode(origin);
    },
    /** One face: D latents to RGBA, row-major. */
    async synthesise(latents: Float64Array) {
      const key = latents.join();
      const known = cache.get(key);
      const pixels = known ?? (await decoder.decode(Float32Array.from(latents)));
      cache.delete(key);
      cache.set(key, pixels);
      if (cache.size > CACHED_FACES) cache.delete(cache.keys().next().value!);
      return handOver(pixels.slice());
    },
  };
});
