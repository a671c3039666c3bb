import type { Objective } from "./choice.ts";

/** A face of a check of stability: the check, its place in the fixed set, and the set's size, all from 1. */
export interface StabilityPlace {
  check: number;
  place: number;
  faces: number;
}

const stabilityWords = ({ check, place, faces }: StabilityPlace): string =>
  `stability check ${check}, face ${place} of ${faces}`;

/** The place that a choice's `special` names; null for any other face. */
export function stabilityPlace(special: string | null): StabilityPlace | null {
  const found = special?.match(/^stability check (\d+), face (\d+) of (\d+)$/);
  return found ? { check: Number(found[1]), place: Number(found[2]), faces: Number(found[3]) } : null;
}

/** Which faces come by plan and not by what is known, and which objective has its turn. */
export interface ProgramSettings {
  objective: Objective;
  /** Objectives that come before it, each for so many faces. */
  blocks: { objective: Objective; faces: number }[];
  /** Every so many faces one is drawn at random from the range, whatever the objective wants; null for none. */
  randomEvery: number | null;
  /** Fixed faces for stability: every so many faces one of a few, in rotation; null for none. */
  catch: { everyFaces: number; faces: number } | null;
  /** Each chosen face is shown so often, the next time after so many others; null for once. */
  repeats: { shows: number; afterFaces: number } | null;
}

/** The objective whose turn it is, and the face that comes by plan in its place. */
export interface Due {
  objective: Objective;
  planned: { face: Float64Array; special: string } | null;
}

/** What a program has been told and has not done yet. */
export interface ProgramState {
  override: Objective | null;
  checks: number;
  checking: { face: Float64Array; special: string }[];
  repeats: { face: Float64Array; show: number; dueAt: number }[];
}

export interface Program {
  /** The objective from now on, blocks or not; null: as the settings have it. */
  turnTo(objective: Objective | null): void;
  /** These faces come next: a check of stability. */
  check(faces: readonly Float64Array[]): void;
  /** Changes nothing: what is due stays due until it is `shown`. */
  due(index: number): Due;
  /** Told of each face that was chosen, and whether an objective chose it. */
  shown(index: number, face: Float64Array, byObjective: boolean): void;
  /** The trial of a face that was shown taught nothing: one of a check of stability comes once more. */
  unanswered(face: Float64Array, special: string | null): void;
  state(): ProgramState;
  goOnFrom(state: ProgramState): void;
}

/** @param fixed the catch faces */
export function createProgram(settings: ProgramSettings, fixed: readonly Float64Array[]): Program {
  let override: Objective | null = null;
  let checks = 0;
  const checking: ProgramState["checking"] = [];
  const repeats: ProgramState["repeats"] = [];

  function turnOf(index: number): Objective {
    if (override) return override;
    let first = 0;
    for (const { objective, faces } of settings.blocks) {
      first += faces;
      if (index < first) return objective;
    }
    return settings.objective;
  }

  function plannedAt(index: number): Due["planned"] {
    if (checking.length > 0) return checking[0];
    if (settings.catch && index % settings.catch.everyFaces === settings.catch.everyFaces - 1) {
      const which = Math.floor(index / settings.catch.everyFaces) % fixed.length;
      return { face: fixed[which], special: `catch face ${which + 1} of ${fixed.length}` };
    }
    const again = repeats.find(({ dueAt }) => dueAt <= index);
    return again ? { face: again.face, special: `show ${again.show} of ${settings.repeats?.shows}` } : null;
  }

  return {
    turnTo(objective) {
      override = objective;
    },
    check(faces) {
      checks++;
      checking.push(
        ...faces.map((face, i) => ({
          face,
          special: stabilityWords({ check: checks, place: i + 1, faces: faces.length }),
        })),
      );
    },
    due(index) {
      const planned = plannedAt(index);
      const atRandom = settings.randomEvery && index % settings.randomEvery === settings.randomEvery - 1;
      return { objective: !planned && atRandom ? "random-range" : turnOf(index), planned };
    },
    shown(index, face, byObjective) {
      if (checking[0]?.face === face) {
        checking.shift();
        return;
      }
      if (!settings.repeats) return;
      const { shows, afterFaces } = settings.repeats;
      const again = repeats.findIndex((repeat) => repeat.dueAt <= index && repeat.face === face);
      const show = again >= 0 ? repeats.splice(again, 1)[0].show : byObjective ? 1 : shows;
      if (show < shows) repeats.push({ face, show: show + 1, dueAt: index + afterFaces });
    },
    unanswered(face, special) {
      if (special !== null && stabilityPlace(special)) checking.push({ face, special });
    },
    state: () => ({ override, checks, checking: [...checking], repeats: [...repeats] }),
    goOnFrom(state) {
      ({ override, checks } = state);
      checking.splice(0, checking.length, ...state.checking);
      repeats.splice(0, repeats.length, ...state.repeats);
    },
  };
}
