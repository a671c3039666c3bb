import { ConfigurationError } from "../failure.ts";

/** A unit as the experiment file names it. */
export interface RosterUnit {
  name: string;
  /** Open Ephys: the electrode's name; the unit's own name where not given. */
  electrode?: string | undefined;
  /** Open Ephys: the cluster on that electrode; every cluster of it where not given. */
  sortedId?: number | undefined;
}

/** The session's units: what senders call them → index in the order of the experiment file, or null for a stranger. */
export interface Roster {
  readonly names: readonly string[];
  byName(name: string): number | null;
  byCluster(electrode: string, sortedId: number): number | null;
}

/** @throws ConfigurationError for a name given twice, or for clusters that two units would share. */
export function createRoster(units: readonly RosterUnit[]): Roster {
  const byName = new Map<string, number>();
  const byElectrode = new Map<string, { any: number | null; clusters: Map<number, number> }>();
  for (const [index, unit] of units.entries()) {
    if (byName.has(unit.name)) throw new ConfigurationError(`units: expected distinct names, got "${unit.name}" twice`);
    byName.set(unit.name, index);
    const electrode = unit.electrode ?? unit.name;
    const known = byElectrode.get(electrode) ?? { any: null, clusters: new Map<number, number>() };
    byElectrode.set(electrode, known);
    const shared =
      known.any !== null || (unit.sortedId === undefined ? known.clusters.size > 0 : known.clusters.has(unit.sortedId));
    if (shared)
      throw new ConfigurationError(
        `units: expected each cluster of electrode "${electrode}" in one unit, but "${unit.name}" (${unit.sortedId === undefined ? "no sortedId: all clusters" : `sortedId ${unit.sortedId}`}) shares it with another`,
      );
    if (unit.sortedId === undefined) known.any = index;
    else known.clusters.set(unit.sortedId, index);
  }
  return {
    names: units.map((unit) => unit.name),
    byName: (name) => byName.get(name) ?? null,
    byCluster(electrode, sortedId) {
      const known = byElectrode.get(electrode);
      return known?.any ?? known?.clusters.get(sortedId) ?? null;
    },
  };
}
