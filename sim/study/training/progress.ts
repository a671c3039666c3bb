/** In a few words, how far trainings are that are under way; nothing where none is. */
export function underWay(shares: ReadonlyMap<string, number>): string {
  if (shares.size === 0) return "";
  const percents = [...shares.values()].map((share) => Math.round(100 * share));
  const [low, high] = [Math.min(...percents), Math.max(...percents)];
  return `${shares.size} under way, ${low === high ? low : `${low} to ${high}`} % done`;
}
