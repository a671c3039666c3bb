/** Requests over a socket that wait for their answers, by number. */
export interface Requests {
  /** Counts a request. `answered` is told once: null when it is done, or why not. */
  open(answered: (reason: string | null) => void): number;
  /** @param number whose answer this is; null: of all that wait. One that has been answered is told nothing more. */
  answer(number: number | null, reason: string | null): void;
}

/** A message of a union as it is before it has its number. */
export type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;

export function createRequests(): Requests {
  let count = 0;
  const waiting = new Map<number, (reason: string | null) => void>();
  return {
    open(answered) {
      waiting.set(++count, answered);
      return count;
    },
    answer(number, reason) {
      for (const [own, answered] of waiting)
        if (number === null || own === number) {
          waiting.delete(own);
          answered(reason);
        }
    },
  };
}
