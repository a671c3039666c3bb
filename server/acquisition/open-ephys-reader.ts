import { reject } from "../../protocols/wire/message.ts";
import {
  decodeOpenEphys,
  type OpenEphysData,
  type OpenEphysEvent,
  type OpenEphysMessage,
  type OpenEphysSpike,
} from "../../protocols/wire/open-ephys.ts";
import { type FrameReader, type ReaderOptions, strangerWords } from "./frame-reader.ts";
import { Ledger } from "./ledger.ts";
import type { Roster } from "./roster.ts";
import { initSequence, stepSequence } from "./sequence.ts";
import type { AcquisitionEvent } from "./spike-batch.ts";

/** One second at a usual rate: further back than this, the clock has begun again. */
const CLOCK_TOLERANCE_SAMPLES = 30_000;
/**
 * The GUI's spike detector leaves the last samples of a block to the next one (it needs the waveform after the peak), so a
 * spike may come one block late by up to this many samples.
 */
const DETECTOR_LAG_SAMPLES = 100;
/** Without data messages the stream's time is known from its spikes alone, which come a block (23 ms at most) at a time. */
const BLOCK_LAG_S = 0.05;
/** Data messages that are this far behind the spikes have ceased: a channel was unselected in the plugin. */
const DATA_CEASED_S = 1;
/** Spikes kept until the sample rate is known: some 20 s of a busy array. */
const MAX_HELD_BACK = 1_000_000;
/** Without data messages: the least step of the stream's time that is worth a batch. */
const MIN_STEP_S = 0.001;

/** Reads messages of the Open Ephys GUI's ZMQ Interface (SPEC.md, W10 to W17). */
export function createOpenEphysReader(options: ReaderOptions): FrameReader {
  const ledger = new Ledger();
  const followed = new Map(
    options.streams.map(({ name, sampleRate }) => [name, createStream(name, sampleRate, options.roster, ledger)]),
  );
  let sequence = initSequence(1);

  function read(frames: readonly Uint8Array[], arrivedServerMs: number): AcquisitionEvent[] {
    ledger.counts.messages++;
    const decoded = decodeOpenEphys(frames);
    if (!decoded.ok) return [ledger.rejected(decoded, arrivedServerMs)];
    const message = decoded.value;
    if (followed.size === 0)
      followed.set(message.stream, createStream(message.stream, options.sampleRate, options.roster, ledger));
    const told: AcquisitionEvent[] = [];
    if (!isInSequence(message, arrivedServerMs, told)) return told;
    const stream = followed.get(message.stream);
    if (!stream) {
      const detail = strangerWords([...followed.keys()], message.stream);
      told.push(ledger.rejected(reject("stream", detail), arrivedServerMs));
    } else if (message.kind === "data") stream.takeData(message, arrivedServerMs, told);
    else stream.takeEvent(message, arrivedServerMs, told);
    return told;
  }

  /** Message numbers run through all streams of the plugin, sample numbers do not: the first stream's tell of the clock. */
  function isInSequence(message: OpenEphysMessage, arrivedServerMs: number, told: AcquisitionEvent[]): boolean {
    if (message.messageNum === null) return true;
    const [first] = followed.values();
    const position = message.stream === first.name ? message.sampleNum : null;
    const numbered = { number: message.messageNum, position };
    const [next, verdict] = stepSequence(sequence, numbered, first.sampleRate() ?? CLOCK_TOLERANCE_SAMPLES);
    sequence = next;
    // Whichever stream's message reveals it, what is missing may be the followed one's.
    const of = followed.size === 1 ? first.name : null;
    if (verdict.kind === "gap") told.push(ledger.gap(of, verdict.missing, arrivedServerMs));
    if (verdict.kind === "reordered") told.push(ledger.reordered(of, arrivedServerMs));
    if (verdict.kind === "restart") {
      told.push(...flush(arrivedServerMs), ledger.restart(of, arrivedServerMs));
      for (const stream of followed.values()) stream.restart();
    }
    const own = followed.get(message.stream);
    if (
      (verdict.kind === "next" || verdict.kind === "gap") &&
      own &&
      own !== first &&
      own.goesBack(message.sampleNum)
    ) {
      told.push(...own.flush(arrivedServerMs), ledger.restart(own.name, arrivedServerMs));
      own.restart();
    }
    if (verdict.kind !== "duplicate") return true;
    told.push(ledger.rejected(reject("duplicate", `message ${message.messageNum} came again`), arrivedServerMs));
    return false;
  }

  const flush = (arrivedServerMs: number): AcquisitionEvent[] =>
    [...followed.values()].flatMap((stream) => stream.flush(arrivedServerMs));

  return { counts: ledger.counts, read, flush };
}

/** One stream of the plugin, on its own clock. What it tells is added to `told`. */
interface Stream {
  readonly name: string;
  sampleRate(): number | null;
  /** Whether a sample lies so far before the latest that its clock has begun again. */
  goesBack(sampleNum: number): boolean;
  takeData(message: OpenEphysData, arrivedServerMs: number, told: AcquisitionEvent[]): void;
  takeEvent(message: OpenEphysSpike | OpenEphysEvent, arrivedServerMs: number, told: AcquisitionEvent[]): void;
  /** Its clock begins again. */
  restart(): void;
  flush(arrivedServerMs: number): AcquisitionEvent[];
}

/** @param givenRate Hz; null: learned from its data messages */
function createStream(name: string, givenRate: number | null, roster: Roster, ledger: Ledger): Stream {
  let sampleRate = givenRate;
  /** Arrived before the sample rate was known, in order. */
  let heldBack: (OpenEphysSpike | OpenEphysEvent)[] = [];
  /** Spikes since the last batch. */
  let units: number[] = [];
  let timesS: number[] = [];
  let watermarkS = Number.NEGATIVE_INFINITY;
  let dataUntilS = Number.NEGATIVE_INFINITY;
  let latestSample = Number.NEGATIVE_INFINITY;

  function takeData(message: OpenEphysData, arrivedServerMs: number, told: AcquisitionEvent[]): void {
    latestSample = Math.max(latestSample, message.sampleNum);
    if (sampleRate === null) {
      sampleRate = message.sampleRate;
      for (const early of heldBack) deliver(early, sampleRate, arrivedServerMs, told);
      heldBack = [];
    }
    if (message.sampleRate !== sampleRate) {
      const detail = `expected a sample rate of ${sampleRate} Hz, got ${message.sampleRate} Hz`;
      told.push(ledger.rejected(reject("sample-rate", detail), arrivedServerMs));
      return;
    }
    const endS = (message.sampleNum + message.numSamples) / sampleRate;
    // Each selected channel sends the same block: the first one closes it.
    if (endS <= dataUntilS) return;
    dataUntilS = endS;
    closeBatch(endS - DETECTOR_LAG_SAMPLES / sampleRate, endS, arrivedServerMs, told);
  }

  function takeEvent(
    message: OpenEphysSpike | OpenEphysEvent,
    arrivedServerMs: number,
    told: AcquisitionEvent[],
  ): void {
    latestSample = Math.max(latestSample, message.sampleNum);
    if (sampleRate !== null) {
      const timeS = deliver(message, sampleRate, arrivedServerMs, told);
      const untilS = timeS - BLOCK_LAG_S;
      if (timeS > dataUntilS + DATA_CEASED_S && untilS >= watermarkS + MIN_STEP_S)
        closeBatch(untilS, timeS, arrivedServerMs, told);
    } else if (heldBack.length < MAX_HELD_BACK) heldBack.push(message);
    else {
      const detail = `expected a data message with the sample rate, none has come: select a channel in the ZMQ Interface or give the sample rate`;
      told.push(ledger.rejected(reject("sample-rate", detail), arrivedServerMs));
    }
  }

  /** Tells of a TTL edge at once and keeps a spike for the next batch; gives its time, in seconds of the stream's clock. */
  function deliver(
    message: OpenEphysSpike | OpenEphysEvent,
    rate: number,
    arrivedServerMs: number,
    told: AcquisitionEvent[],
  ): number {
    const timeS = message.sampleNum / rate;
    if (message.kind === "event") {
      if (message.ttl !== null)
        told.push({
          type: "ttl",
          stream: message.stream,
          line: message.ttl.line,
          state: message.ttl.state,
          timeS,
          arrivedServerMs,
        });
      return timeS;
    }
    const unit = roster.byCluster(name, message.electrode, message.sortedId);
    if (unit === null) {
      const event = ledger.unknownUnit(`${message.electrode}#${message.sortedId}`, 1, arrivedServerMs);
      if (event !== null) told.push(event);
      return timeS;
    }
    ledger.counts.spikes++;
    if (timeS < watermarkS) ledger.counts.lateSpikes++;
    units.push(unit);
    timesS.push(timeS);
    return timeS;
  }

  function closeBatch(untilS: number, reachedS: number, arrivedServerMs: number, told: AcquisitionEvent[]): void {
    watermarkS = Math.max(watermarkS, untilS);
    const unit = Uint16Array.from(units);
    const timeS = Float64Array.from(timesS);
    units = [];
    timesS = [];
    told.push({
      type: "batch",
      stream: name,
      untilS: watermarkS,
      reachedS,
      unit,
      timeS,
      count: null,
      arrivedServerMs,
    });
  }

  function flush(arrivedServerMs: number): AcquisitionEvent[] {
    const told: AcquisitionEvent[] = [];
    if (heldBack.length > 0) {
      const detail = `expected a data message with the sample rate before the stream's end: ${heldBack.length} spikes and events have no time`;
      told.push(ledger.rejected(reject("sample-rate", detail), arrivedServerMs, heldBack.length));
      heldBack = [];
    }
    if (units.length > 0) closeBatch(watermarkS, watermarkS, arrivedServerMs, told);
    return told;
  }

  return {
    name,
    sampleRate: () => sampleRate,
    goesBack: (sampleNum) => sampleNum < latestSample - (sampleRate ?? CLOCK_TOLERANCE_SAMPLES),
    takeData,
    takeEvent,
    restart() {
      sampleRate = givenRate;
      watermarkS = Number.NEGATIVE_INFINITY;
      dataUntilS = Number.NEGATIVE_INFINITY;
      latestSample = Number.NEGATIVE_INFINITY;
    },
    flush,
  };
}
