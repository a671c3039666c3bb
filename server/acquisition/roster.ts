import { ConfigurationError } from "../failure.ts";

/** A unit as the experiment file names it. */
export interface RosterUnit {
  name: string;
  /** Open Ephys: the electrode's name; the unit's own name where not given. */
  electrode?: string | undefined;
  /** Open Ephys: the cluster on that electrode; every cluster of it where not given. */
  sortedId?: number | undefined;
  /** The stream that it is on; any that is followed where not given. */
  stream?: string | undefined;
}

/** The session's units: what senders call them → index in the order of the experiment file, or null for a stranger. */
export interface Roster {
  readonly names: readonly string[];
  byName(stream: string, name: string): number | null;
  byCluster(stream: string, electrode: string, sortedId: number): number | null;
}

/** @throws ConfigurationError for a name given twice, or for clusters that two units would share. */
export function createRoster(units: readonly RosterUnit[]): Roster {
  const byName = new Map<string, number>();
  /** An electrode's clusters, by stream and electrode; the stream is empty for units that may be on any. */
  const byElectrode = new Map<string, { any: number | null; clusters: Map<number, number> }>();
  const keyOf = (stream: string, electrode: string) => `${stream}\n${electrode}`;
  for (const [index, unit] of units.entries()) {
    if (byName.has(unit.name)) throw new ConfigurationError(`units: expected distinct names, got "${unit.name}" twice`);
    byName.set(unit.name, index);
    const electrode = unit.electrode ?? unit.name;
    const key = keyOf(unit.stream ?? "", electrode);
    const known = byElectrode.get(key) ?? { any: null, clusters: new Map<number, number>() };
    byElectrode.set(key, known);
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
    byName(stream, name) {
      const index = byName.get(name);
      if (index === undefined) return null;
      const on = units[index].stream;
      return on === undefined || on === stream ? index : null;
    },
    byCluster(stream, electrode, sortedId) {
      for (const on of [stream, ""]) {
        const known = byElectrode.get(keyOf(on, electrode));
        const index = known?.any ?? known?.clusters.get(sortedId);
        if (index !== undefined) return index;
      }
      return null;
    },
  };
}
