/** Checks of stability: a fixed set of faces shown again, its responses compared with those to the first showing. */
import type { StabilityCheck } from "../../protocols/wire/dashboard.ts";
import { type StabilityPlace, stabilityPlace } from "../choice/program.ts";

interface Answers {
  check: number;
  faces: number;
  /** Counts of every unit, by the face's place in the set. */
  counts: Map<number, Float64Array>;
}

export function createStability() {
  const places = new Map<number, StabilityPlace>();
  const answers = new Map<number, Answers>();
  return {
    chosen(face: number, special: string | null): void {
      const place = stabilityPlace(special);
      if (place) places.set(face, place);
    },
    closed(face: number, counts: Float64Array): void {
      const at = places.get(face);
      if (!at) return;
      const own = answers.get(at.check) ?? { check: at.check, faces: at.faces, counts: new Map() };
      own.counts.set(at.place, counts);
      answers.set(at.check, own);
    },
    checks: (): StabilityCheck[] => {
      const all = [...answers.values()];
      return all.map((own, i) => ({
        check: own.check,
        trials: own.counts.size,
        faces: own.faces,
        ...(i === 0 ? { correlation: null, ratio: null } : compared(all[0], own)),
      }));
    },
  };
}

/** Over the faces that both have: r of √count over faces and units, and the ratio of all spikes. */
function compared(first: Answers, own: Answers): Pick<StabilityCheck, "correlation" | "ratio"> {
  const a: number[] = [];
  const b: number[] = [];
  for (const [place, counts] of own.counts) {
    const before = first.counts.get(place);
    if (before) a.push(...before) && b.push(...counts);
  }
  const sum = (values: readonly number[]) => values.reduce((total, v) => total + v, 0);
  const total = sum(a);
  return { correlation: pearson(a.map(Math.sqrt), b.map(Math.sqrt)), ratio: total > 0 ? sum(b) / total : null };
}

function pearson(a: readonly number[], b: readonly number[]): number | null {
  if (a.length < 3) return null;
  const mean = (values: readonly number[]) => values.reduce((s, v) => s + v, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : null;
}
