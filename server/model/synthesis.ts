import { type SupervisionOptions, superviseWorker } from "../supervision.ts";
import { openWorker } from "../worker.ts";
import type { Realised, Started, SynthesisData } from "./synthesis-worker.ts";

interface SynthesisApi {
  start(): Promise<Started>;
  rehearse(): Promise<void>;
  synthesise(faces: Float64Array[]): Promise<Uint8Array[]>;
  realise(faces: Float64Array[]): Promise<Realised[]>;
}

/** The decoder on its worker thread. */
export interface Synthesis extends Started {
  /** Faces, D latents each, as RGBA, row-major; all in one call of the decoder. */
  synthesise(faces: Float64Array[]): Promise<Uint8Array[]>;
  /** What the encoder reads back from the same faces; empty where they are not read back. */
  realise(faces: Float64Array[]): Promise<Realised[]>;
  /** A decode that is thrown away, so that the next one finds the processor warm. */
  rehearse(): Promise<void>;
  dispose(): Promise<void>;
}

/** Longer than any decode takes. */
const LIMIT_MS = 30_000;

/** Starts the worker; throws what loading the model or the backend throws. One that is lost later is started again. */
export async function openSynthesis(
  data: SynthesisData,
  told: Pick<SupervisionOptions<SynthesisApi>, "lost" | "back" | "failed">,
): Promise<Synthesis> {
  const worker = superviseWorker<SynthesisApi>({
    ...told,
    open: (died) => openWorker<SynthesisApi>("server/model/synthesis-worker.js", data, died),
    quick: ["synthesise", "realise", "rehearse"],
    limitMs: LIMIT_MS,
    async restore(next) {
      const started = await next.call("start");
      return ({ name }) => (name === "start" ? { answer: started } : "again");
    },
  });
  try {
    return {
      ...(await worker.call("start")),
      rehearse: () => worker.call("rehearse"),
      synthesise: (faces) => worker.call("synthesise", faces),
      realise: (faces) => worker.call("realise", faces),
      dispose: worker.dispose,
    };
  } catch (error) {
    await worker.dispose();
    throw error;
  }
}
