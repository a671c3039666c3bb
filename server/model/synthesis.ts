import { openWorker } from "../worker.ts";
import type { BackendChoice } from "./backends.ts";
import type { SynthesisData } from "./synthesis-worker.ts";

interface SynthesisApi {
  start(): Promise<BackendChoice>;
  rehearse(): Promise<void>;
  synthesise(latents: Float64Array): Promise<Uint8Array>;
}

/** The decoder on its worker thread. */
export interface Synthesis {
  backend: BackendChoice;
  /** One face: D latents to RGBA, row-major. */
  synthesise(latents: Float64Array): Promise<Uint8Array>;
  /** A decode that is thrown away, so that the next one finds the processor warm. */
  rehearse(): Promise<void>;
  dispose(): Promise<void>;
}

/** Starts the worker; throws what loading the model or the backend throws. `failed` is told if the worker dies later. */
export async function openSynthesis(data: SynthesisData, failed: (error: Error) => void): Promise<Synthesis> {
  const worker = openWorker<SynthesisApi>("server/model/synthesis-worker.js", data, failed);
  try {
    return {
      backend: await worker.call("start"),
      rehearse: () => worker.call("rehearse"),
      synthesise: (latents) => worker.call("synthesise", latents),
      dispose: worker.dispose,
    };
  } catch (error) {
    await worker.dispose();
    throw error;
  }
}
