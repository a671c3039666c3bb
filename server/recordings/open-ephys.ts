import { readRecording as readBinary } from "../../sim/rig/open-ephys/recording.ts";
import { type Recording, recordedUnit } from "./recording.ts";

/**
 * An Open Ephys recording in Binary format: one stream's sorted units, named `<electrode>-<sorted id>`, and unsorted electrodes by
 * their own names. Times are sample numbers over the sample rate, on the recording system's own clock.
 */
export async function readOpenEphys(path: string, stream: string | null): Promise<Recording> {
  const { events, sampleRate, otherStreams } = await readBinary(path, stream);
  const spikes = new Map<string, { electrode: string; sortedId: number; times: number[] }>();
  for (const event of events) {
    if (event.kind !== "spike") continue;
    const { electrode, sortedId, sampleNum } = event;
    const key = `${electrode}\n${sortedId}`;
    const known = spikes.get(key) ?? { electrode, sortedId, times: [] };
    known.times.push(sampleNum / sampleRate);
    spikes.set(key, known);
  }
  const all = [...spikes.values()].sort(
    (a, b) => a.electrode.localeCompare(b.electrode, "en", { numeric: true }) || a.sortedId - b.sortedId,
  );
  // Unsorted spikes of an electrode with sorted ones are what the sorter could not tell.
  const sorted = new Set(all.filter(({ sortedId }) => sortedId > 0).map(({ electrode }) => electrode));
  const isRest = ({ electrode, sortedId }: (typeof all)[number]) => sortedId === 0 && sorted.has(electrode);
  return {
    source: { format: "open-ephys", path },
    units: all
      .filter((one) => !isRest(one))
      .map(({ electrode, sortedId, times }) =>
        recordedUnit(sortedId > 0 ? `${electrode}-${sortedId}` : electrode, Float64Array.from(times)),
      ),
    presentations: null,
    leftOut: [
      ...all.filter(isRest).map(({ electrode, times }) => `${times.length} unsorted spikes of ${electrode}`),
      ...otherStreams.map((name) => `stream ${name}`),
    ],
  };
}
