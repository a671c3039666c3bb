/**
 * Debouncing of a digital line: pure. Changes that follow one another by less than `debounceMs` are one: an edge at the first
 * of them, if the line then rests where that one took it, and nothing if it went back. An edge to a level that the line had
 * already is one too: the edge between them has been lost.
 */
export interface Edge {
  timeS: number;
  level: boolean;
}
/** Changes that have not come to rest yet. */
export interface Unrest {
  readonly first: Edge;
  readonly last: Edge;
}

/** The edge that is certain once the line is known up to `timeS`, if any. To be called before `takeEdge` of that time. */
export function settle(unrest: Unrest | null, timeS: number, debounceMs: number): [Unrest | null, Edge | null] {
  if (unrest === null || timeS < unrest.last.timeS + debounceMs / 1000) return [unrest, null];
  return [null, unrest.first.level === unrest.last.level ? unrest.first : null];
}

export const takeEdge = (unrest: Unrest | null, edge: Edge): Unrest => ({ first: unrest?.first ?? edge, last: edge });
