/**
 * A past session's trials counted again (SPEC.md, J16): its spikes and edges go through a real socket and the reader, its onsets come where they
 * came, and the code that counts makes trials of them. Messages arrive at the times at which they arrived then.
 */
import { Push } from "zeromq";
import type { Experiment } from "../../protocols/experiment.ts";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import { type Acquisition, openAcquisition } from "../acquisition/acquisition.ts";
import { createRoster } from "../acquisition/roster.ts";
import type { AcquisitionEvent } from "../acquisition/spike-batch.ts";
import { type Difference, firstDifference } from "../choice/replay.ts";
import { serverNow } from "../clock.ts";
import { LostEdgeError } from "../failure.ts";
import { streamSettings } from "../loop.ts";
import type { FoundSession } from "../session/folder.ts";
import { scanJournal } from "../session/journal-reader.ts";
import { eventOf } from "../session/recorded.ts";
import type { SessionEvent } from "../session/view.ts";
import { trialInputsOf } from "../trials/inputs.ts";
import { initStreams, type StreamsState, stepStreams } from "../trials/streams.ts";
import { isBroken, type Trial, type TrialInput } from "../trials/trial.ts";
import { createRecordedRig } from "./recorded-rig.ts";
import { waitUntil } from "./wait.ts";

export interface Recount {
  /** Trials that were compared, how many of them came out otherwise, and of these those whose counts did. */
  trials: number;
  different: number;
  differentCounts: number;
  messages: number;
  spikes: number;
  /** The first that came out otherwise: what of it, in the journal and counted again. */
  difference: Omit<Difference, "afterTrial"> | null;
  /** Whether the journal has messages without spikes: without them it does not say all that the stream's clock was known by. */
  hasEmptyMessages: boolean;
  /** It was ended before the journal's end. */
  isInterrupted: boolean;
}

export interface RecountOptions {
  /** Times real time; infinite: as fast as messages are read. */
  speed: number;
  interrupted: AbortSignal;
  /** So many trials have been compared. */
  compared(trials: number): void;
}

/** @throws LostEdgeError where what is sent does not arrive */
export async function recountSession(
  { folder, experiment, decider }: FoundSession,
  { speed, interrupted, compared }: RecountOptions,
): Promise<Recount> {
  const units = decider?.settings.units ?? [];
  const result: Recount = {
    trials: 0,
    different: 0,
    differentCounts: 0,
    messages: 0,
    spikes: 0,
    difference: null,
    hasEmptyMessages: false,
    isInterrupted: false,
  };
  const then: Trial[] = [];
  const now: Trial[] = [];
  const differ = (found: Recount["difference"]) => {
    result.different++;
    result.difference ??= found;
  };
  const compare = () => {
    while (then.length > 0 && now.length > 0) {
      const [journalled, counted] = [then.shift()!, now.shift()!];
      const found = firstDifference(journalled, asToldThen(journalled, counted), `trial ${journalled.trial}`);
      if (found) differ({ ...found, what: withUnit(found.what, units) });
      if (firstDifference(journalled.counts, counted.counts, "counts")) result.differentCounts++;
      compared(++result.trials);
    }
  };
  /** What was not counted to its end by then belongs to the next server; trials that only the journal has are missed. */
  const conclude = () => {
    for (const { trial } of then.splice(0)) {
      differ({ what: `trial ${trial}`, journal: "closed", replay: "not closed" });
      result.differentCounts++;
      compared(++result.trials);
    }
    now.length = 0;
  };

  const counter = createCounter(experiment, units.length, (trials) => {
    now.push(...trials);
    compare();
  });
  /** Restarts are told as they were: the reader, whose streams are numbered one by one, sees each with its stream's next message only. */
  const take = (event: AcquisitionEvent) => event.type !== "restart" && counter.take(event);
  const open = () => openWay(experiment, units, take, speed, interrupted);
  let way = await open();
  try {
    await scanJournal(folder, async (record) => {
      if (interrupted.aborted) return;
      if (record.kind === "resumed") {
        await way.arrived();
        conclude();
        way.dispose();
        way = await open();
        return counter.resumed();
      }
      const event = eventOf(record);
      if (!event) return;
      if (event.kind === "acquisition") {
        const said = event.event;
        if (said.type === "batch" && said.unit.length === 0) result.hasEmptyMessages = true;
        if (counter.isOver()) return;
        result.messages += Number(await way.send(said));
        if (said.type === "restart") {
          await way.arrived();
          counter.take(said);
        }
        if (said.type === "batch") result.spikes += said.count?.reduce((sum, n) => sum + n, 0) ?? said.unit.length;
        return;
      }
      if (event.kind === "trial") {
        counter.journalled(event.trial);
        if (!isInterrupted(event.trial)) then.push(event.trial);
        return compare();
      }
      if (!counter.concerns(event)) return;
      await way.arrived();
      counter.told(event);
    });
    if (!interrupted.aborted) {
      await way.arrived();
      conclude();
    }
    result.isInterrupted = interrupted.aborted;
    return result;
  } finally {
    way.dispose();
  }
}

type Told = Pick<Trial, "flags" | "unaligned">;

/** What was counted, as the journal says it: before it was kept why a trial is unaligned, it has the flag alone. */
const asToldThen = (journalled: Trial, counted: Trial): Trial => ({
  ...reasonAsThen(journalled, counted),
  ...(counted.others && { others: counted.others.map((own, i) => reasonAsThen(journalled.others?.[i], own)) }),
});

function reasonAsThen<T extends Told>(then: Told | undefined, told: T): T {
  if (!then?.flags.includes("unaligned") || then.unaligned) return told;
  const { unaligned: _, ...rest } = told;
  return rest as T;
}

/** `counts[3]` is of a unit, which has a name. */
const withUnit = (what: string, units: readonly string[]): string =>
  what.replace(/\.counts\[(\d+)\]$/, (_, u) => `: count of ${units[u]}`);

/** The loop's trials, without the loop: what it feeds them with, in its order. */
function createCounter(began: Experiment, units: number, closed: (trials: Trial[]) => void) {
  let experiment = began;
  let isOver = false;
  /** Trials that the journal has so far, and of them those whose faces were not shown again; and how many of these were counted. */
  let trials = 0;
  let kept = 0;
  let counted = 0;
  const begin = (): StreamsState => initStreams(streamSettings(experiment, units), trials);
  let state = begin();
  const take = (input: TrialInput) => {
    if (isOver) return;
    const [next, made] = stepStreams(state, input);
    state = next;
    counted += made.filter((trial) => !isBroken(trial)).length;
    if (made.length > 0) closed(made);
    if (counted >= began.trials) isOver = true;
  };
  return {
    take,
    isOver: () => isOver,
    concerns: (event: SessionEvent) => inputsOf(event).length > 0 || endsLoop(event),
    told(event: SessionEvent) {
      if (event.kind === "setting" && event.order.op === "change") experiment = event.order.experiment;
      if (endsLoop(event)) isOver = true;
      for (const input of inputsOf(event)) take(input);
    },
    /** What the journal has. One that a dead server had left open has its number, and nothing more. */
    journalled(trial: Trial) {
      trials++;
      if (!isBroken(trial)) kept++;
      if (isInterrupted(trial)) state = begin();
    },
    /** Another server goes on, from what the journal has. */
    resumed() {
      isOver = false;
      counted = kept;
      state = begin();
    },
  };
}

const endsLoop = (event: SessionEvent): boolean =>
  event.kind === "stopped" || (event.kind === "command" && event.command === "abort");
const isInterrupted = ({ flags }: Trial): boolean => flags.includes("interrupted");

const inputsOf = (event: SessionEvent): TrialInput[] =>
  event.kind === "plan" || event.kind === "display" || event.kind === "setting" ? trialInputsOf(event) : [];

interface Way {
  /** Sends what makes the reader tell this event, once its time has come; whether anything was sent. */
  send(event: AcquisitionEvent): Promise<boolean>;
  /** Settles when all that was sent has been read. */
  arrived(): Promise<void>;
  dispose(): void;
}

/** What takes longer to arrive on this computer is lost. */
const LOST_MS = 10_000;

/** From a sender's socket to the events of acquisition. */
async function openWay(
  { recording }: Experiment,
  units: readonly string[],
  take: (event: AcquisitionEvent) => void,
  speed: number,
  interrupted: AbortSignal,
): Promise<Way> {
  const arrivals: number[] = [];
  let sent = 0;
  let received = 0;
  let waiting: (() => void) | null = null;
  const acquisition: Acquisition = await openAcquisition({
    address: "tcp://127.0.0.1:*",
    socket: "pull",
    format: "latentloop",
    roster: createRoster(units.map((name) => ({ name }))),
    streams: recording.streams.map(({ name }) => ({ name, sampleRate: null })),
    arrivalServerMs() {
      received++;
      // Told once its events have been taken.
      if (received === sent && waiting) setImmediate(waiting);
      return arrivals.shift()!;
    },
  });
  const reading = acquisition.events$.subscribe(take);
  const socket = new Push();
  socket.connect(acquisition.address);
  const rig = createRecordedRig(units);
  const startedServerMs = serverNow();
  let sinceMs = 0;
  let lastServerMs: number | null = null;

  return {
    async send(event) {
      const message = rig.messageOf(event);
      if (!message) return false;
      const { arrivedServerMs } = event;
      sinceMs += Math.max(0, arrivedServerMs - (lastServerMs ?? arrivedServerMs));
      lastServerMs = arrivedServerMs;
      await waitUntil(startedServerMs + sinceMs / speed, interrupted);
      if (interrupted.aborted) return false;
      arrivals.push(arrivedServerMs);
      sent++;
      await socket.send(encodeSpikeMessage(message));
      return true;
    },
    async arrived() {
      if (received === sent) return;
      await new Promise<void>((resolve, reject) => {
        const lost = () =>
          reject(new LostEdgeError(`expected ${sent} messages to arrive at ${acquisition.address}, got ${received}`));
        const patience = setTimeout(lost, LOST_MS);
        waiting = () => {
          clearTimeout(patience);
          waiting = null;
          resolve();
        };
      });
    },
    dispose() {
      socket.close();
      acquisition.dispose();
      reading.unsubscribe();
    },
  };
}
