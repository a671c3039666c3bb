import type { Measure } from "../measures.ts";

/** The middle of replicates given by their indices, some more than once. */
type Centre = (replicates: ArrayLike<number>) => number;

/** How replicates are taken together: as the units of a session are. Prepared once for many resamples. */
export const centreOf: Record<Measure["together"], (values: readonly number[]) => Centre> = {
  mean: (values) => (replicates) => {
    let sum = 0;
    for (let i = 0; i < replicates.length; i++) sum += values[replicates[i]];
    return sum / replicates.length;
  },
  /** Values are ranked once; a resample then only counts how often it has each rank. */
  median(values) {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
    const rank = new Uint32Array(values.length);
    order.forEach((i, k) => {
      rank[i] = k;
    });
    const counts = new Uint32Array(values.length);
    return (replicates) => {
      const n = replicates.length;
      counts.fill(0);
      for (let i = 0; i < n; i++) counts[rank[replicates[i]]]++;
      let k = 0;
      let passed = counts[0];
      while (passed < n / 2) passed += counts[++k];
      if (passed > n / 2) return values[order[k]];
      let next = k + 1;
      while (counts[next] === 0) next++;
      return (values[order[k]] + values[order[next]]) / 2;
    };
  },
};
