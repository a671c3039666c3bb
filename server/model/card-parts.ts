/** What the cards of all models have in common, whoever made them. */
import { z } from "zod";

export const latentSummarySchema = z.strictObject({
  name: z.string(),
  /** Mean over held-out images of KL(q(z_i|x) ‖ N(0, 1)), nats: near 0 for a latent that the model does not use. */
  klNats: z.number().nonnegative(),
  /** Distribution over the data of the posterior's mean: its mean, standard deviation, 1 % and 99 % points. */
  mean: z.number(),
  sd: z.number().nonnegative(),
  low: z.number(),
  high: z.number(),
});

/** What one decode must give: means of equal blocks of the image of `latents`, row by row, RGB, in 0–255. */
export const probeSchema = z.strictObject({
  latents: z.array(z.number()),
  blocks: z.int().positive(),
  values: z.array(z.number()),
});
