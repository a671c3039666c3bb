import type { FacesRecipe } from "../../faces/data-set.ts";
import { drawHeads } from "../../faces/drawn-heads.ts";
import type { TrainingCell } from "../cell.ts";

/** RGB bytes [count][size][size][3] of heads to train on and of those to measure on. */
export interface Heads {
  faces: Uint8Array;
  unseen: Uint8Array;
}

export interface HeadSource {
  /** @throws ConfigurationError if MakeHuman's data can't be had */
  of(cell: TrainingCell): Promise<Heads>;
}

/** Sets that are kept: those of two studies. */
const KEPT = 4;

/**
 * Heads for trainings, rendered when they are first asked for and then kept, in memory that threads share: a machine has them once,
 * however many trainings it runs at a time.
 *
 * @param threads that render
 * @param said told what is waited for
 * @param stopped ends what is being rendered
 */
export function openHeads(threads: number, said: (words: string) => void, stopped: AbortSignal): HeadSource {
  const sets = new Map<string, Promise<Uint8Array>>();
  const of = (recipe: FacesRecipe): Promise<Uint8Array> => {
    const name = JSON.stringify([recipe.count, recipe.size, recipe.seed]);
    const set = sets.get(name) ?? drawHeads(recipe, threads, said, stopped);
    // The last one asked for is the last to go; one that could not be had is tried again.
    sets.delete(name);
    sets.set(name, set);
    set.catch(() => sets.delete(name));
    for (const oldest of sets.keys()) if (sets.size > KEPT) sets.delete(oldest);
    return set;
  };
  return {
    async of({ training: { faces, unseen } }: TrainingCell): Promise<Heads> {
      return { faces: await of(faces), unseen: await of(unseen) };
    },
  };
}
