import { createDecider, refitterSettings } from "../../../server/choice/decider.ts";
import { type Random, random, shuffle } from "../../../server/random.ts";
import { deciderSettings } from "../../../server/session/settings.ts";
import { refitsHere } from "../../../server/tuning/refits-here.ts";
import { type CellResult, gather, type SessionCell } from "../cell.ts";
import { recordedUnits } from "./data.ts";
import { judgeRecorded } from "./judge.ts";

/** A stimulus of a recorded unit, its trials in the order in which they will be drawn, and those kept back to judge by. */
export interface SplitStimulus {
  latents: Float64Array;
  pool: number[];
  heldOut: number[];
}

/** Keeps back a share of each stimulus's trials, drawn at random; the rest in an order drawn at random too. */
export const splitStimuli = (
  stimuli: readonly { latents: Float64Array; counts: readonly number[] }[],
  heldOutShare: number,
  random: Random,
): SplitStimulus[] =>
  stimuli.map(({ latents, counts }, s) => {
    const shuffled = shuffle(counts, random.split(s));
    const kept = Math.ceil(heldOutShare * counts.length);
    return { latents, heldOut: shuffled.slice(0, kept), pool: shuffled.slice(kept) };
  });

/**
 * Stimuli that may be chosen: those with trials left, and in rounds only those of them that were shown least.
 *
 * @param shown how often each was shown
 */
export function drawable(stimuli: readonly SplitStimulus[], shown: readonly number[], rounds: boolean): number[] {
  const left = Array.from(stimuli.keys()).filter((s) => shown[s] < stimuli[s].pool.length);
  const least = Math.min(...left.map((s) => shown[s]));
  return rounds ? left.filter((s) => shown[s] === least) : left;
}

/**
 * Replays real counts: the design picks a stimulus, and a count recorded there and not yet used is its answer. The k-th showing of
 * a stimulus gets the same count under every design of the same seed. Faces are chosen ahead of the answers as in a live session.
 */
export function runRecordedCell({ experiment, seed, checkpoints, recording }: SessionCell): CellResult {
  const { dataSet, unit: name, heldOutShare, rounds } = recording!;
  const unit = recordedUnits(dataSet).find((candidate) => candidate.name === name)!;
  const root = random(seed).split("recorded", dataSet, name);
  const stimuli = splitStimuli(unit.stimuli, heldOutShare, root.split("split"));
  const settings = deciderSettings(experiment, [name]);
  const decider = createDecider(settings, root.split("decider"), refitsHere(refitterSettings(settings)));
  const shown = stimuli.map(() => 0);
  const queue: { latents: Float64Array; counts: number[] }[] = [];
  const available = () => drawable(stimuli, shown, rounds).map((s) => stimuli[s].latents);
  const choose = (lesson: (typeof queue)[number] | null) => {
    const among = available();
    const [choice] = decider.decide(lesson, Math.min(1, among.length), among);
    if (!choice) return;
    const s = stimuli.findIndex(({ latents }) => latents.every((z, d) => z === choice.latents[d]));
    queue.push({ latents: choice.latents, counts: [stimuli[s].pool[shown[s]++]] });
  };

  const gathered = gather([unit.area]);
  for (let i = 0; i < experiment.choice.lookahead; i++) choose(null);
  for (let trial = 1; trial <= checkpoints[checkpoints.length - 1]; trial++) {
    const lesson = queue.shift();
    if (!lesson) throw new Error(`${dataSet} ${name}: expected ${experiment.trials} trials, all ${trial - 1} are used`);
    choose(lesson);
    decider.refine();
    const at = checkpoints.indexOf(trial);
    if (at >= 0)
      gathered.add(at, 0, judgeRecorded(decider.report()[0], stimuli, settings.observation, unit.windowMs / 1000));
  }
  return gathered.result;
}
