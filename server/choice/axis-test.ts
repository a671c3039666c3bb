import { type Random, shuffle } from "../random.ts";
import { type Interval, studentT95 } from "../tuning/interval.ts";

/**
 * Chang & Tsao's test of axis coding (2017, Cell 169, Fig. 3): along its preferred axis a unit's response is a ramp; along an axis
 * orthogonal to that one it is flat. The axis is estimated from earlier trials and then frozen, so that the counts tested here are
 * independent of it.
 */
export interface AxisTestPlan {
  unit: string;
  /** Unit vectors of latent space, orthogonal to each other. */
  axis: number[];
  orthogonal: number[];
  /** Positions along each, in latent units. */
  positions: number[];
  /** Order in which faces are shown: every position of both lines, `repeats` times. */
  order: { line: "axis" | "orthogonal"; position: number; round: number }[];
}

export interface AxisTestSettings {
  /** Trials by which axes are estimated before the first is tested. */
  afterTrials: number;
  /** Positions on each line. */
  positions: number;
  repeats: number;
}

/** Trials that one unit's test takes. */
export const trialsOfAxisTest = ({ positions, repeats }: Pick<AxisTestSettings, "positions" | "repeats">): number =>
  2 * positions * repeats;

/** @param range largest position, in latent units: faces on both lines stay inside the ball of that radius */
export function planAxisTest(
  unit: string,
  direction: ArrayLike<number>,
  range: number,
  { positions: count, repeats }: AxisTestSettings,
  random: Random,
): AxisTestPlan {
  const axis = normalise(Array.from(direction));
  const drawn = axis.map(() => random.normal());
  const along = dot(drawn, axis);
  const orthogonal = normalise(drawn.map((v, i) => v - along * axis[i]));
  const positions = Array.from({ length: count }, (_, i) => -range + (2 * range * i) / (count - 1));
  const order: AxisTestPlan["order"] = [];
  for (let r = 0; r < repeats; r++) {
    const round = (["axis", "orthogonal"] as const).flatMap((line) =>
      positions.map((position) => ({ line, position, round: r })),
    );
    order.push(...shuffle(round, random.split("round", r)));
  }
  return { unit, axis, orthogonal, positions, order };
}

export const faceOfStep = (plan: AxisTestPlan, { line, position }: AxisTestPlan["order"][number]): Float64Array =>
  Float64Array.from(line === "axis" ? plan.axis : plan.orthogonal, (v) => v * position);

export interface LineResult {
  trials: number;
  /** Mean count at each position. */
  meanCounts: number[];
  /**
   * Slope of √count along the line, a latent unit, with its 90 % interval (least squares, Student's t). A line is shown to be flat by an
   * interval that lies close about 0, not by a p that is large.
   */
  slope: Interval;
  /** Probability of so strong a relation if position did not matter, by permutation of the counts: one-sided for the ramp, any tuning (slope or bend) for the flat line. */
  p: number;
}

export interface AxisTestResult extends Pick<AxisTestPlan, "unit" | "axis" | "orthogonal" | "positions"> {
  ramp: LineResult;
  flat: LineResult;
}

const PERMUTATIONS = 9999;

/**
 * Judges a test. √count has nearly constant variance. Ramp: its regression slope on position. Flat: the share of its variance
 * that a slope and a bend explain. Both p by 9,999 seeded permutations within rounds, (1 + as extreme)/(1 + all) (Phipson & Smyth 2010): exact whatever
 * the distribution of counts is, and whatever changes from round to round.
 */
export function judgeAxisTest(
  plan: AxisTestPlan,
  answers: readonly (AxisTestPlan["order"][number] & { count: number })[],
  random: Random,
): AxisTestResult {
  const judge = (line: "axis" | "orthogonal", statistic: (x: number[], y: number[]) => number): LineResult => {
    const own = answers.filter((answer) => answer.line === line);
    const x = own.map(({ position }) => position);
    const y = own.map(({ count }) => Math.sqrt(count));
    const rounds = own.map(({ round }) => round);
    const observed = statistic(x, y);
    let extreme = 0;
    for (let k = 0; k < PERMUTATIONS; k++)
      if (statistic(x, shuffleWithin(rounds, y, random.split(line, k))) >= observed - 1e-12) extreme++;
    return {
      trials: own.length,
      meanCounts: plan.positions.map((position) => {
        const counts = own.filter((a) => a.position === position).map((a) => a.count);
        return counts.reduce((a, b) => a + b, 0) / counts.length;
      }),
      slope: slopeInterval(x, y),
      p: (1 + extreme) / (1 + PERMUTATIONS),
    };
  };
  const { unit, axis, orthogonal, positions } = plan;
  return {
    unit,
    axis,
    orthogonal,
    positions,
    ramp: judge("axis", slopeOf),
    flat: judge("orthogonal", explainedByBend),
  };
}

function slopeOf(x: number[], y: number[]): number {
  const mx = average(x);
  const my = average(y);
  return (
    dot(
      x.map((v) => v - mx),
      y.map((v) => v - my),
    ) / x.reduce((sum, v) => sum + (v - mx) ** 2, 0)
  );
}

function slopeInterval(x: number[], y: number[]): Interval {
  const estimate = slopeOf(x, y);
  const mx = average(x);
  const my = average(y);
  const residual = y.reduce((sum, v, i) => sum + (v - my - estimate * (x[i] - mx)) ** 2, 0);
  const spread = x.reduce((sum, v) => sum + (v - mx) ** 2, 0);
  const half = studentT95(x.length - 2) * Math.sqrt(residual / (x.length - 2) / spread);
  return { estimate, low: estimate - half, high: estimate + half };
}

/** Share of the variance of y that a slope and a bend in x explain. */
function explainedByBend(x: number[], y: number[]): number {
  const my = average(y);
  const centred = y.map((v) => v - my);
  const first = x.map((v) => v - average(x));
  const squares = first.map((v) => v * v);
  const mean = average(squares);
  const along = dot(squares, first) / dot(first, first);
  const second = squares.map((v, i) => v - mean - along * first[i]);
  const total = dot(centred, centred);
  return total === 0
    ? 0
    : (dot(centred, first) ** 2 / dot(first, first) + dot(centred, second) ** 2 / dot(second, second)) / total;
}

const average = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i], 0);
const normalise = (v: number[]): number[] => {
  const norm = Math.hypot(...v);
  return v.map((c) => c / norm);
};

/** Shuffles values among those of the same round: what changes slowly over the session is the same for both. */
function shuffleWithin(rounds: readonly number[], values: readonly number[], random: Random): number[] {
  const out = [...values];
  for (const round of new Set(rounds)) {
    const own = rounds.flatMap((r, i) => (r === round ? [i] : []));
    shuffle(
      own.map((i) => values[i]),
      random.split(round),
    ).forEach((value, k) => {
      out[own[k]] = value;
    });
  }
  return out;
}
