import type { Interval } from "./report.ts";

/** A unit's additive model with a smooth surface on two of its latents besides. */
export interface PairFit {
  /** The two latents. */
  latents: [number, number];
  /** Log Bayes factor against the additive model, in nats. */
  logBayesFactor: number;
  /** Where the surface is given along each latent, in latent units. */
  grid: number[];
  /** Rate in spikes/s, the other latents at 0: first latent × second latent. */
  rateHz: Interval[][];
}
