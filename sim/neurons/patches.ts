import type { Random } from "../../server/random.ts";
import type { Tuning } from "./families.ts";
import { logNormal } from "./gain.ts";

/** Statistics of the neurons of a face patch. */
interface Patch {
  /** Gain of a ramp while the transient lasts, in spikes/s. */
  gainHz: readonly [number, number];
  latency: { meanMs: number; sdMs: number };
  timeCourse: { transientMs: number; sustained: number };
  gainNoise: { variance: number; correlation: number };
}

/**
 * Rates and time course: 44 cells of the superior temporal sulcus that respond to heads peaked at 115 spikes/s above the spontaneous
 * rate to their best views, after 58 ms, and were back at 15 % of that 93 ms later (Oram & Perrett 1992). A step of half as
 * long as rise and fall together has as many spikes, and a gain of 25 to 50 gives 115 spikes/s at the middle gain, 2.5 latent units up.
 *
 * Scatter: no figure for face patches was found. The variance of the gain is the median of the V1 and V2 units that ship, 0.14; it makes the
 * Fano factor 1.4 at three spikes a window. The correlation makes that of two counts 0.07 at three spikes, between the 0.12 and the 0.02 that
 * were measured in MT over 150 ms for pairs with like and unlike preferences (Huang & Lisberger 2009).
 */
const common = {
  gainHz: [25, 50],
  timeCourse: { transientMs: 75, sustained: 0.15 },
  gainNoise: { variance: 0.14, correlation: 0.25 },
} as const;

/**
 * Latencies: the mean response of AM to faces left the baseline after 85 ms (Nature 2024, 10.1038/s41586-024-07349-5, fig. 1), which the
 * quickest units decide; face cells of the sulcus have 80 to 160 ms (Perrett et al. 1982). That ML comes 15 ms before AM is assumed, and so
 * is the spread.
 */
const patches: Record<"AM" | "ML", Patch> = {
  AM: { ...common, latency: { meanMs: 100, sdMs: 15 } },
  ML: { ...common, latency: { meanMs: 85, sdMs: 12 } },
};

/** A neuron of a patch. */
export function patchNeuron(
  name: keyof typeof patches,
  random: Random,
  tuning: (gainHz: Patch["gainHz"]) => Tuning,
): Tuning {
  const { gainHz, latency, timeCourse, gainNoise } = patches[name];
  return { ...tuning(gainHz), latencyMs: logNormal(latency, random.split("latency")), timeCourse, gainNoise };
}
