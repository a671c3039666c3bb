import { z } from "zod";
import { reject, unpack } from "../../../protocols/wire/message.ts";
import type { FrameReader } from "../frame-reader.ts";
import { Ledger } from "../ledger.ts";
import type { Roster } from "../roster.ts";
import type { AcquisitionEvent } from "../spike-batch.ts";

/** What is followed of a Trodes network. `source.lfp` only tells how far time has come. */
export const trodesSources = ["source.spikes", "source.digital", "source.lfp"] as const;
export type TrodesSource = (typeof trodesSources)[number];

/** The stream's name: a Trodes network has one clock. */
const STREAM = "trodes";
/** Sources come by sockets of their own, a few milliseconds apart at most: spikes may come so long after others have. */
const LAG_S = 0.05;
/** The least step of the stream's time that is worth a batch. */
const MIN_STEP_S = 0.005;
/** Further back than this, the clock has begun again. */
const CLOCK_TOLERANCE_S = 1;

const timestamp = z.number().int().nonnegative();
const schemas = {
  "source.spikes": z.object({
    localTimestamp: timestamp,
    nTrodeId: z.number().int(),
    cluster: z.number().int().nonnegative().default(0),
  }),
  "source.digital": z.object({
    localTimestamp: timestamp,
    digitalData: z.array(z.union([z.instanceof(Uint8Array), z.array(z.number().int().min(0).max(255))])).min(1),
  }),
  "source.lfp": z.object({ localTimestamp: timestamp }),
};

type Message = { localTimestamp: number } & Partial<
  z.infer<(typeof schemas)["source.spikes"]> & z.infer<(typeof schemas)["source.digital"]>
>;

/**
 * Reads what a Trodes network publishes (SPEC.md, W31 to W34): messages of two frames here, the source's name and its MessagePack map.
 *
 * @param sampleRate Hz of its timestamps
 */
export function createTrodesReader(roster: Roster, sampleRate: number): FrameReader {
  const ledger = new Ledger();
  let units: number[] = [];
  let timesS: number[] = [];
  let latestS = Number.NEGATIVE_INFINITY;
  let watermarkS = Number.NEGATIVE_INFINITY;
  let lines: Uint8Array | null = null;

  function read([name, body]: readonly Uint8Array[], arrivedServerMs: number): AcquisitionEvent[] {
    ledger.counts.messages++;
    const source = new TextDecoder().decode(name) as TrodesSource;
    const message = unpack(body);
    const parsed = schemas[source].safeParse(message.ok ? message.value : null) as z.ZodSafeParseResult<Message>;
    if (!parsed.success) {
      const why = message.ok
        ? `${parsed.error.issues[0].path.join(".")}: ${parsed.error.issues[0].message}`
        : message.detail;
      return [ledger.rejected(reject("malformed", `${source}: ${why}`), arrivedServerMs)];
    }
    const told: AcquisitionEvent[] = [];
    const timeS = parsed.data.localTimestamp / sampleRate;
    if (timeS < latestS - CLOCK_TOLERANCE_S) restart(arrivedServerMs, told);
    latestS = Math.max(latestS, timeS);
    const { nTrodeId, cluster = 0, digitalData } = parsed.data;
    if (nTrodeId !== undefined) takeSpike(nTrodeId, cluster, timeS, arrivedServerMs, told);
    if (digitalData !== undefined) takeLines(Uint8Array.from(digitalData[0]), timeS, arrivedServerMs, told);
    if (latestS - LAG_S >= watermarkS + MIN_STEP_S) closeBatch(latestS - LAG_S, arrivedServerMs, told);
    return told;
  }

  function restart(arrivedServerMs: number, told: AcquisitionEvent[]): void {
    told.push(...flush(arrivedServerMs), ledger.restart(STREAM, arrivedServerMs));
    latestS = Number.NEGATIVE_INFINITY;
    watermarkS = Number.NEGATIVE_INFINITY;
    lines = null;
  }

  function takeSpike(
    nTrodeId: number,
    cluster: number,
    timeS: number,
    arrivedServerMs: number,
    told: AcquisitionEvent[],
  ): void {
    const unit = roster.byCluster(STREAM, String(nTrodeId), cluster);
    if (unit === null) {
      const event = ledger.unknownUnit(`${nTrodeId}#${cluster}`, 1, arrivedServerMs);
      if (event !== null) told.push(event);
      return;
    }
    ledger.counts.spikes++;
    if (timeS < watermarkS) ledger.counts.lateSpikes++;
    units.push(unit);
    timesS.push(timeS);
  }

  /** Lines come as a whole, over and over: an edge is where a bit has changed. */
  function takeLines(next: Uint8Array, timeS: number, arrivedServerMs: number, told: AcquisitionEvent[]): void {
    const before = lines;
    lines = next;
    if (!before) return;
    for (let byte = 0; byte < next.length; byte++) {
      const changed = next[byte] ^ (before[byte] ?? 0);
      for (let bit = 0; bit < 8; bit++)
        if ((changed >> bit) & 1)
          told.push({
            type: "ttl",
            stream: STREAM,
            line: 8 * byte + bit,
            state: ((next[byte] >> bit) & 1) === 1,
            timeS,
            arrivedServerMs,
          });
    }
  }

  function closeBatch(untilS: number, arrivedServerMs: number, told: AcquisitionEvent[]): void {
    watermarkS = Math.max(watermarkS, untilS);
    told.push({
      type: "batch",
      stream: STREAM,
      untilS: watermarkS,
      reachedS: latestS,
      unit: Uint16Array.from(units),
      timeS: Float64Array.from(timesS),
      count: null,
      arrivedServerMs,
    });
    units = [];
    timesS = [];
  }

  function flush(arrivedServerMs: number): AcquisitionEvent[] {
    const told: AcquisitionEvent[] = [];
    if (units.length > 0) closeBatch(watermarkS, arrivedServerMs, told);
    return told;
  }

  return { counts: ledger.counts, read, flush };
}
