import type { Rivals } from "../tuning/rivals.ts";
import type { Allowed } from "./constraints.ts";
import type { Outlook } from "./outlook.ts";

export type Objective =
  | "variance"
  | "information"
  | "identify"
  | "compare"
  | "peak"
  | "axis-test"
  | "random"
  | "random-range"
  | "traversal-grid"
  | "cma-es";

/** Why a face was chosen, for the journal and the operator. Values are in the objective's own unit. */
export interface Reason {
  objective: Objective;
  /** The objective's value at the chosen face; null where nothing was valued. */
  value: number | null;
  /** The best candidate of another traversal, and its value. */
  runnerUp: { latents: number[]; value: number } | null;
  /** The traversal that the face lies on: which latent moved, from where to where. Null for a draw. */
  moved: { latent: number; from: number; to: number } | null;
  candidates: number;
  /** Why this face outside of the objective's own turn, or what part of a test it is; null for an ordinary choice. */
  special: string | null;
}

export interface Choice {
  latents: Float64Array;
  reason: Reason;
}

/** What a choice is made from. */
export interface Situation {
  outlook: Outlook;
  rivals: Rivals;
  /** How much each unit counts; 0 leaves it out. */
  weights: Float64Array;
  allowed: Allowed;
  /** The only faces that may be chosen; null for any in range. */
  among: readonly Float64Array[] | null;
}

/** A choice of which all is done that does not need the last count: call it for the face, as often as wanted. */
export type PreparedChoice = () => Choice;

/** What is special about a face that keeps no constraint, because nothing that was considered does. */
export const NONE_ALLOWED = "no candidate is allowed";

export const plainReason = (objective: Objective, special: string | null = null): Reason => ({
  objective,
  value: null,
  runnerUp: null,
  moved: null,
  candidates: 1,
  special,
});
