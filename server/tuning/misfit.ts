/** Warns when a unit is outside the family of tuning that it is fitted with. */
export interface Misfit {
  /** p-value of each check. */
  pValues: Record<MisfitCheck, number>;
  /** What is wrong and what to do, in a sentence; null where nothing is. */
  warning: string | null;
}

export type MisfitCheck = "drift" | "interactions" | "dispersion" | "shape";
