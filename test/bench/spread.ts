import { quantile } from "../../server/session/quantile.ts";

export interface Spread {
  p50: number;
  p99: number;
  max: number;
}

export const spread = (values: readonly number[]): Spread => ({
  p50: quantile(values, 0.5),
  p99: quantile(values, 0.99),
  max: Math.max(...values),
});
