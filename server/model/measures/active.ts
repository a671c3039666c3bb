/** A latent is active whose posterior differs from the prior by more than so many nats. */
export const activeNats = 0.1;

export const countActive = (latents: readonly { klNats: number }[]): number =>
  latents.filter(({ klNats }) => klNats > activeNats).length;
