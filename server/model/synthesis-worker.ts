/** Latents to faces, and faces back to latents, on a thread of their own: TensorFlow's calls block. */
import { serve } from "../worker.ts";
import type { BackendName } from "./backend-name.ts";
import { type BackendChoice, openModel } from "./backends.ts";
import type { Decoder } from "./decoder.ts";
import { inspectModel } from "./inspection.ts";
import { readModel } from "./model-folder.ts";
import { differenceOf, measureValidity, type Validity } from "./validity.ts";

export interface SynthesisData {
  modelFolder: string;
  /** Null: the best that works. */
  forced: BackendName | null;
  /** Read faces back with the model's encoder; null: not wanted. */
  readBack: { range: number; threshold: number } | null;
}

export interface Started {
  backend: BackendChoice;
  /** What of the model should be known. */
  warnings: string[];
  /** Null where faces are not read back: not wanted, or no encoder. */
  validity: Validity | null;
}

/** Faces as they came out. */
export interface Realised {
  /** D latents that the encoder reads from the face. */
  latents: Float64Array;
  /** Root mean square difference from those asked for, over the latents in use, in latent units. */
  difference: number;
}

/** Faces kept for when they are asked for again; designs that repeat faces need about this many. */
const CACHED_FACES = 256;

serve(({ modelFolder, forced, readBack }: SynthesisData) => {
  let decoder: Decoder;
  let origin: Float32Array;
  let validity: Validity | null = null;
  const cache = new Map<string, Uint8Array>();

  /** Pixels of each of the faces; those that are not known yet are decoded in one call. */
  async function pixelsOf(faces: readonly Float64Array[]): Promise<Uint8Array[]> {
    const keys = faces.map((face) => face.join());
    const unknown = faces.filter((_, i) => !cache.has(keys[i]));
    const decoded =
      unknown.length > 0 ? await decoder.decode(Float32Array.from(unknown.flatMap((face) => [...face]))) : null;
    const size = decoded ? decoded.length / unknown.length : 0;
    let next = 0;
    const pixels = keys.map((key) => cache.get(key) ?? decoded!.slice(next * size, ++next * size));
    for (const [i, key] of keys.entries()) {
      cache.delete(key);
      cache.set(key, pixels[i]);
    }
    for (const key of cache.keys()) {
      if (cache.size <= CACHED_FACES) break;
      cache.delete(key);
    }
    return pixels;
  }

  return {
    /** Loads the model and picks the backend; to be called once, before anything else. */
    async start(): Promise<Started> {
      const model = await readModel(modelFolder);
      const open = await openModel(model, forced ?? undefined);
      decoder = open.decoder;
      const { warnings } = await inspectModel(decoder, model);
      const { count } = model.card.latents;
      if (readBack && decoder.encode) {
        validity = await measureValidity(decoder as Required<Decoder>, count, readBack.range, readBack.threshold);
      }
      // The first decode compiles kernels and allocates; better now than when a face is due.
      origin = new Float32Array(count);
      for (let i = 0; i < 3; i++) await decoder.decode(origin);
      return { backend: open.backend, warnings, validity };
    },
    /** A decode that is thrown away: nothing changes but what the processor has at hand. */
    async rehearse() {
      await decoder.decode(origin);
    },
    /** Faces, D latents each, as RGBA, row-major, in one call of the decoder. */
    synthesise: (faces: Float64Array[]) => pixelsOf(faces),
    /** What came out of the same faces, in one call of the encoder. */
    async realise(faces: Float64Array[]): Promise<Realised[]> {
      if (!validity || faces.length === 0) return [];
      const { used } = validity;
      const pixels = await pixelsOf(faces);
      const size = pixels[0].length;
      const all = new Uint8Array(size * faces.length);
      for (const [i, face] of pixels.entries()) all.set(face, i * size);
      const { mean } = await decoder.encode!(all);
      return faces.map((asked, i) => {
        const latents = Float64Array.from(mean.subarray(i * asked.length, (i + 1) * asked.length));
        return { latents, difference: differenceOf(asked, latents, used) };
      });
    },
  };
});
