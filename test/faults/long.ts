/** `npm run faults` runs all of every fault; `npm test` what is quick. */
export const isLong = process.env.LATENTLOOP_FAULTS === "1";
