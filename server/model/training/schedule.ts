/** What is minimised: nll + β(t) · Σ kl + tc · TC, or nll + β · |Σ kl − C(t)| with a capacity C that rises from 0. */
export interface Schedule {
  /** β at the beginning and in the end; the same for a fixed one. */
  betaFrom: number;
  beta: number;
  /** Weight of the total correlation (β-TCVAE has β = 1 and its own β less 1 here). */
  tc: number;
  /** Capacity in the end, nats, for controlled capacity (Burgess et al. 2018); undefined for none. */
  capacity?: number | undefined;
  learningRate: number;
}

/** Part of training over which β falls or capacity rises; while it does, the learning rate stays. */
const moving = 0.7;

/** β falls geometrically: strong factors are coded first, each by a latent of its own, weaker ones as they become worth it. */
export function betaAt({ betaFrom, beta }: Schedule, progress: number): number {
  return beta * (betaFrom / beta) ** Math.max(0, 1 - progress / moving);
}

/** Rises linearly from 0; undefined if the schedule has none. */
export function capacityAt({ capacity }: Schedule, progress: number): number | undefined {
  return capacity === undefined ? undefined : capacity * Math.min(1, progress / moving);
}

/** Constant, with a short warm-up, while β or capacity move; then down to a twentieth along half a cosine. */
export function learningRateAt({ learningRate }: Schedule, progress: number): number {
  const warm = Math.min(1, (progress + 1e-3) / 0.01);
  if (progress <= moving) return learningRate * warm;
  const rest = (progress - moving) / (1 - moving);
  return learningRate * (0.05 + 0.95 * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, rest))));
}
