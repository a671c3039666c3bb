/** What a session's journal holds, as tables on one clock. */
import type { Experiment } from "../../protocols/experiment.ts";
import type { TrialFlag, UnalignedReason } from "../../protocols/wire/events.ts";
import type { Choice } from "../choice/choice.ts";
import { ConfigurationError } from "../failure.ts";
import { readSession } from "../session/folder.ts";
import type { Versions } from "../session/versions.ts";
import type { Onset, Trial } from "../trials/trial.ts";
import { createRuns } from "./runs.ts";
import { createTimeline, type Pair, type Stretch } from "./timeline.ts";

/** A presentation with its response. */
export interface TrialRow {
  trial: number;
  presentation: number;
  face: number;
  /** Asked for, and as they came out where the face was read back. */
  latents: number[];
  realised: number[] | null;
  /** Seconds since the session's start. Where the onset could not be placed on the recording's clock it is the display's report. */
  onsetS: number;
  /** True to within ± this. */
  onsetUncertaintyS: number;
  placedBy: "photodiode" | "software" | "display";
  offsetS: number;
  windowStartS: number;
  windowEndS: number;
  /** One a unit. */
  counts: number[];
  flags: TrialFlag[];
  /** Why it is unaligned; null where it is not, or where the session is older than the reason. */
  unaligned: UnalignedReason | null;
  /** Objective, what moved, and what was special: why this face. */
  why: string;
}

export interface SessionTables {
  experiment: Experiment;
  versions: Versions;
  folder: string;
  model: string | null;
  /** Wall-clock time of second 0, milliseconds since the Unix epoch. */
  startedMs: number;
  /** The recording clock's own time at second 0. */
  clockAtStartS: number;
  units: { name: string; spikeTimesS: Float64Array }[];
  trials: TrialRow[];
  /** Faces that were shown, by number: what their pixels are made from. */
  faces: Map<number, Float64Array>;
  marks: { timeS: number; text: string }[];
  /** What could not be placed on the one clock, in words. */
  leftOut: string[];
}

/** With the response latency as it was then. */
type SeenOnset = Onset & { latencyMs: number };

interface Spikes extends Stretch {
  unit: Uint16Array;
  timeS: Float64Array;
  count: Uint32Array | null;
}

/** @throws ConfigurationError where there is no session, or it has no trial */
export async function gatherSession(folder: string): Promise<SessionTables> {
  const spikes: Spikes[] = [];
  const trials: { trial: Trial; run: ReadonlyMap<string, number> }[] = [];
  const onsets = new Map<number, SeenOnset>();
  let changed: Experiment | null = null;
  const choices = new Map<number, Choice>();
  const realised = new Map<number, Float64Array>();
  const marks: { serverMs: number; text: string }[] = [];
  const runs = createRuns();
  const found = await readSession(folder, (event, serverMs, at) => {
    switch (event.kind) {
      case "acquisition": {
        const said = event.event;
        if (said.type === "restart") runs.restart(said.stream);
        if (said.type !== "batch") return;
        runs.message(said.stream, said, at.resumptions);
        const { stream, unit, timeS, count } = said;
        if (unit.length > 0) spikes.push({ stream, run: runs.of(stream), unit, timeS, count });
        return;
      }
      case "choice":
        choices.set(event.face, event.choice);
        return;
      case "realised":
        realised.set(event.face, event.latents);
        return;
      case "plan":
        for (const onset of event.output.onsets)
          onsets.set(onset.presentation, { ...onset, latencyMs: (changed ?? at.experiment).response.latencyMs });
        return;
      case "setting":
        if (event.order.op === "change") changed = event.order.experiment;
        return;
      case "trial":
        trials.push({ trial: event.trial, run: runs.now() });
        return;
      case "mark":
        marks.push({ serverMs, text: event.text });
    }
  });
  const { experiment, decider } = found;
  if (!decider || trials.length === 0)
    throw new ConfigurationError(`${folder}: expected a session with trials, found none in its journal`);

  const names = decider.settings.units;
  const { response, stimulus } = experiment;
  const timeline = createTimeline(pairsOf(trials, onsets));
  const leftOut: string[] = [];
  const times: number[][] = names.map(() => []);
  let unplaced = 0;
  for (const batch of spikes)
    for (let i = 0; i < batch.unit.length; i++) {
      const time = timeline.place(batch, batch.timeS[i]);
      if (time === null) unplaced++;
      else for (let k = batch.count?.[i] ?? 1; k > 0; k--) times[batch.unit[i]].push(time);
    }
  if (unplaced > 0)
    leftOut.push(`${unplaced} spikes of a clock that no presentation ties to the session's: they are in the journal`);

  const rows = trials.map(({ trial, run }): TrialRow => {
    const onset = onsets.get(trial.presentation);
    const { window } = trial;
    const stretch = { stream: trial.stream, run: run.get(trial.stream) ?? 0 };
    const start = window && timeline.place(stretch, window.startS);
    const shownS = onset ? timeline.placeServer(onset.onsetServerMs / 1000) : Number.NaN;
    const latencyS = (onset?.latencyMs ?? response.latencyMs) / 1000;
    const onsetS = start === null ? shownS : start - latencyS;
    const windowStartS = onsetS + latencyS;
    const choice = choices.get(trial.face);
    return {
      trial: trial.trial,
      presentation: trial.presentation,
      face: trial.face,
      latents: [...(choice?.latents ?? trial.latents)],
      realised: realised.has(trial.face) ? [...realised.get(trial.face)!] : null,
      onsetS,
      onsetUncertaintyS: (start === null ? (onset?.uncertaintyMs ?? Number.NaN) : window!.uncertaintyMs) / 1000,
      placedBy: start === null ? "display" : window!.by,
      offsetS: onsetS + stimulus.onMs / 1000,
      windowStartS,
      windowEndS: windowStartS + (window ? window.endS - window.startS : response.windowMs / 1000),
      counts: [...trial.counts],
      flags: trial.flags,
      unaligned: trial.unaligned ?? null,
      why: choice ? whyOf(choice) : "",
    };
  });
  const clockAtStartS = Math.floor(
    Math.min(
      ...rows.map(({ onsetS }) => onsetS),
      ...times.map((own) => own.reduce((a, b) => Math.min(a, b), Infinity)),
    ),
  );
  const since = (sessionS: number) => sessionS - clockAtStartS;
  return {
    experiment,
    versions: found.versions,
    folder,
    model: found.model,
    startedMs: 1000 * timeline.serverOf(clockAtStartS),
    clockAtStartS,
    units: names.map((name, u) => ({ name, spikeTimesS: Float64Array.from(times[u], since).sort() })),
    trials: rows.map((row) => ({
      ...row,
      onsetS: since(row.onsetS),
      offsetS: since(row.offsetS),
      windowStartS: since(row.windowStartS),
      windowEndS: since(row.windowEndS),
    })),
    faces: new Map(
      [...choices].filter(([face]) => rows.some((row) => row.face === face)).map(([f, c]) => [f, c.latents]),
    ),
    marks: marks.map(({ serverMs, text }) => ({ timeS: since(timeline.placeServer(serverMs / 1000)), text })),
    leftOut,
  };
}

/** What ties each stretch of a clock to the server's: complete trials, the first stream's first run first. */
function pairsOf(
  trials: readonly { trial: Trial; run: ReadonlyMap<string, number> }[],
  onsets: ReadonlyMap<number, SeenOnset>,
) {
  const stretches = new Map<string, Stretch & { pairs: Pair[] }>();
  for (const { trial, run } of trials) {
    const onset = onsets.get(trial.presentation);
    if (!onset) continue;
    for (const { stream, window } of [trial, ...(trial.others ?? [])]) {
      if (!window) continue;
      const stretch = { stream, run: run.get(stream) ?? 0 };
      const key = `${stretch.run}\n${stream}`;
      const known = stretches.get(key) ?? { ...stretch, pairs: [] };
      known.pairs.push({ neuralS: window.startS - onset.latencyMs / 1000, serverS: onset.onsetServerMs / 1000 });
      stretches.set(key, known);
    }
  }
  return [...stretches.values()];
}

function whyOf({ reason }: Choice): string {
  const { objective, value, moved, special } = reason;
  return [
    objective,
    ...(special ? [special] : []),
    ...(moved ? [`latent ${moved.latent} from ${moved.from.toFixed(2)} to ${moved.to.toFixed(2)}`] : []),
    ...(value === null ? [] : [`value ${value.toPrecision(4)}`]),
  ].join("; ");
}
