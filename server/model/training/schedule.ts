/** How β and the learning rate go over training; `progress` runs from 0 to 1. */
export interface Schedule {
  /** β at the beginning and in the end. */
  betaFrom: number;
  beta: number;
  learningRate: number;
}

/** Part of training over which β falls; while it does, the learning rate stays. */
const falling = 0.7;

/** β falls geometrically: strong factors are coded first, each by a latent of its own, weaker ones as they become worth it. */
export function betaAt({ betaFrom, beta }: Schedule, progress: number): number {
  return beta * (betaFrom / beta) ** Math.max(0, 1 - progress / falling);
}

/** Constant, with a short warm-up, while β falls; then down to a twentieth along half a cosine. */
export function learningRateAt({ learningRate }: Schedule, progress: number): number {
  const warm = Math.min(1, (progress + 1e-3) / 0.01);
  if (progress <= falling) return learningRate * warm;
  const rest = (progress - falling) / (1 - falling);
  return learningRate * (0.05 + 0.95 * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, rest))));
}
