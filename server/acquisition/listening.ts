/** What can be heard at a recording system's socket: every stream, unit and digital line, before an experiment names any. Pure. */
import { stringify } from "yaml";
import { decodeOpenEphys } from "../../protocols/wire/open-ephys.ts";
import { decodeSpikeMessage } from "../../protocols/wire/spikes.ts";

export interface HeardUnit {
  stream: string;
  /** The unit's own name, or its electrode's. */
  name: string;
  /** Open Ephys: 0 is unsorted; null for our own messages, which name units. */
  sortedId: number | null;
  spikes: number;
}

export interface Heard {
  format: "latentloop" | "open-ephys" | null;
  messages: number;
  /** Messages that could not be read, by reason. */
  unread: Record<string, number>;
  /** Samples per second, where a stream tells. */
  streams: Map<string, number | null>;
  units: Map<string, HeardUnit>;
  /** Edges by stream and line. */
  lines: Map<string, number>;
}

export const nothingHeard = (): Heard => ({
  format: null,
  messages: 0,
  unread: Object.create(null) as Record<string, number>,
  streams: new Map(),
  units: new Map(),
  lines: new Map(),
});

/** Takes one message of either format into `heard`, in place: fifty thousand a second are no rarity. */
export function hear(heard: Heard, frames: readonly Uint8Array[]): void {
  heard.messages++;
  if (frames.length === 1) hearOwn(heard, frames[0]);
  else hearOpenEphys(heard, frames);
}

function hearOwn(heard: Heard, frame: Uint8Array): void {
  const decoded = decodeSpikeMessage(frame);
  if (!decoded.ok) {
    count(heard.unread, decoded.reason);
    return;
  }
  const message = decoded.value;
  heard.format ??= "latentloop";
  heard.streams.set(message.stream, null);
  switch (message.type) {
    case "ttl":
      edge(heard, message.stream, message.line);
      break;
    case "spikes":
      for (const unit of message.unit) spikes(heard, message.stream, message.units[unit], null, 1);
      break;
    case "counts":
      message.counts.forEach((n, i) => {
        spikes(heard, message.stream, message.units[i % message.units.length], null, n);
      });
  }
}

function hearOpenEphys(heard: Heard, frames: readonly Uint8Array[]): void {
  const decoded = decodeOpenEphys(frames);
  if (!decoded.ok) {
    count(heard.unread, decoded.reason);
    return;
  }
  const message = decoded.value;
  heard.format ??= "open-ephys";
  const rate = message.kind === "data" ? message.sampleRate : (heard.streams.get(message.stream) ?? null);
  heard.streams.set(message.stream, rate);
  if (message.kind === "spike") spikes(heard, message.stream, message.electrode, message.sortedId, 1);
  else if (message.kind === "event" && message.ttl !== null) edge(heard, message.stream, message.ttl.line);
}

function spikes(heard: Heard, stream: string, name: string, sortedId: number | null, n: number): void {
  const key = `${stream}\n${name}\n${sortedId}`;
  const unit = heard.units.get(key);
  if (unit) unit.spikes += n;
  else heard.units.set(key, { stream, name, sortedId, spikes: n });
}

function edge(heard: Heard, stream: string, line: number): void {
  const key = `${stream}\n${line}`;
  heard.lines.set(key, (heard.lines.get(key) ?? 0) + 1);
}

const count = (counts: Record<string, number>, key: string): void => {
  counts[key] = (counts[key] ?? 0) + 1;
};

/** Units in the order of streams, names and clusters. */
export const unitsHeard = ({ units }: Heard): HeardUnit[] =>
  [...units.values()].sort(
    (a, b) =>
      a.stream.localeCompare(b.stream) ||
      a.name.localeCompare(b.name, "en", { numeric: true }) ||
      (a.sortedId ?? 0) - (b.sortedId ?? 0),
  );

/**
 * The experiment file's `recording` section for what was heard of these streams. Unsorted spikes of an electrode that has sorted
 * ones are left out: they are what the sorter could not tell.
 *
 * @param pull whether they were heard at a socket that was bound, for senders that push
 */
export function recordingSection(heard: Heard, streams: readonly string[], pull: boolean): string {
  const several = streams.length > 1;
  const units = streams.flatMap((stream) => {
    const all = unitsHeard(heard).filter((unit) => unit.stream === stream);
    const sorted = new Set(all.filter(({ sortedId }) => (sortedId ?? 0) > 0).map(({ name }) => name));
    return all
      .filter(({ name, sortedId, spikes: n }) => n > 0 && !(sortedId === 0 && sorted.has(name)))
      .map(({ name, sortedId }) => {
        if (sortedId === null) return { name, ...(several && { stream }) };
        const label = `${several ? `${stream} ` : ""}${name}${sortedId > 0 ? `-${sortedId}` : ""}`;
        return { name: label, electrode: name, ...(sortedId > 0 && { sortedId }), ...(several && { stream }) };
      });
  });
  const which = several ? { streams: streams.map((name) => ({ name })) } : { stream: streams[0] };
  const format = heard.format ?? "latentloop";
  return stringify({ recording: { format, ...(pull && { socket: "pull" }), ...which, units } });
}
