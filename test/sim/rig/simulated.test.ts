import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { Publisher } from "zeromq";
import type { RigFault, Transport } from "../../../protocols/experiment.ts";
import { parseStudy } from "../../../protocols/study.ts";
import { EVENTS_VERSION, encodePublicEvent } from "../../../protocols/wire/events.ts";
import { openAcquisition } from "../../../server/acquisition/acquisition.ts";
import { createRoster } from "../../../server/acquisition/roster.ts";
import type { AcquisitionEvent } from "../../../server/acquisition/spike-batch.ts";
import { serverNow } from "../../../server/clock.ts";
import { random } from "../../../server/random.ts";
import { transportWarnings } from "../../../server/session/timing.ts";
import { initTrials, stepTrials, type Trial, type TrialInput } from "../../../server/trials/trial.ts";
import { createBrain } from "../../../sim/neurons/brain.ts";
import type { SimulatedUnit } from "../../../sim/neurons/unit.ts";
import { createStrikes } from "../../../sim/rig/faults.ts";
import { runSimulatedRig, type SimulatedRigOptions } from "../../../sim/rig/simulated.ts";
import { createWay } from "../../../sim/rig/transport.ts";
import { smallExperiment } from "../../cli.ts";
import { experimentOf } from "../../experiment.ts";
import { bySoftware } from "../../trials/alignment-settings.ts";

const UNITS = 8;
const FACES = 30;
/** Complete trials of a rehearsal, on however busy a machine. */
const LEAST = FACES / 10;
const PERIOD_MS = 250;
const ON_MS = 100;
/**
 * A response, 500 to 600 ms after the onset, lies in the window with 30 ms to spare, and the rig has half a second to hear of the face: its counts
 * hang neither on how well the window is placed nor on how busy the machine is.
 */
const LATENCY_MS = 500;
const WINDOW = { latencyMs: 470, windowMs: 160 };
const units = Array.from(
  { length: UNITS },
  (_, u): SimulatedUnit => ({
    name: `unit-${u}`,
    kind: "ramp",
    tunedTo: [0],
    rateHz: (z) => 60 + 20 * z[0],
    spontaneousHz: 0,
    latencyMs: LATENCY_MS,
    refractoryMs: 2,
  }),
);
const face = (n: number) => [Math.sin(n)];

/** What each unit fires to each face: it depends on the generator and on the face's number, and not on when the face came on. */
const truth = Array.from({ length: FACES }, (_, n) => {
  const brain = createBrain(units, 0, random(1));
  brain.see(n, face(n), 0, ON_MS / 1000);
  const counts = new Array<number>(UNITS).fill(0);
  for (const u of brain.fire(1).unit) counts[u]++;
  return counts;
});

const alignment = { ...bySoftware, transportMs: 10 };

const disposers: (() => void)[] = [];
afterAll(() => {
  for (const dispose of disposers) dispose();
});

/** A session's faces before the simulated rig, its messages through real sockets into acquisition and trials. */
async function rehearse(format: SimulatedRigOptions["format"], transport: Partial<Transport>) {
  const publisher = new Publisher();
  await publisher.bind("tcp://127.0.0.1:*");
  const rig = await runSimulatedRig({
    units,
    events: publisher.lastEndpoint!,
    bind: "tcp://127.0.0.1:*",
    format,
    random: random(1),
    photodiode: null,
    transport: { delayMs: 0, jitterMs: 0, faultsPerMinute: {}, ...transport },
  });
  const acquisition = await openAcquisition({
    address: rig.address,
    socket: "sub",
    format,
    roster: createRoster(units),
    streams: [],
  });
  disposers.push(() => {
    rig.dispose();
    acquisition.dispose();
    publisher.close();
  });
  const told: AcquisitionEvent[] = [];
  const trials: Trial[] = [];
  let state = initTrials({ units: UNITS, ...WINDOW, alignment });
  const take = (input: TrialInput) => {
    const [next, closed] = stepTrials(state, input);
    state = next;
    trials.push(...closed);
  };
  acquisition.events$.subscribe((event) => {
    told.push(event);
    take(event);
  });
  await sleep(300);
  for (let n = 0; n < FACES; n++) {
    const onsetServerMs = serverNow();
    await publisher.send(
      encodePublicEvent({
        v: EVENTS_VERSION,
        type: "presentation",
        session: "rehearsal",
        presentation: n,
        face: n,
        latents: face(n),
        onset: { serverMs: onsetServerMs, uncertaintyMs: 0 },
        onMs: ON_MS,
        lateFrames: 0,
        dropped: 0,
        patch: false,
      }),
    );
    take({
      type: "onset",
      presentation: n,
      face: n,
      latents: Float64Array.from(face(n)),
      onsetServerMs,
      uncertaintyMs: 0,
      dropped: 0,
      lateFrames: 0,
      patch: false,
      interrupted: false,
    });
    // From face to face, and not by a fixed grid: a late one must not run into the next one's response.
    await sleep(onsetServerMs + PERIOD_MS - serverNow());
  }
  const patienceEndsMs = serverNow() + 10_000;
  while (trials.length < FACES && serverNow() < patienceEndsMs) await sleep(20);
  expect(trials).toHaveLength(FACES);
  const complete = trials.filter(({ flags }) => flags.includes("complete"));
  return {
    counts: acquisition.counts(),
    of: (type: AcquisitionEvent["type"]) => told.filter((event) => event.type === type).length,
    flagged: (flag: Trial["flags"][number]) => trials.filter(({ flags }) => flags.includes(flag)).length,
    complete,
    wrong: complete.filter(({ presentation, counts }) => `${[...counts]}` !== `${truth[presentation]}`),
  };
}

/** Times a minute at which each fault comes a few times in a rehearsal. */
const faultsPerMinute: Record<RigFault, number> = {
  lose: 60,
  duplicate: 60,
  reorder: 60,
  garbage: 60,
  half: 60,
  flood: 60,
  stall: 6,
  restart: 12,
};
const FLOOD = 5000;

type Rehearsed = Awaited<ReturnType<typeof rehearse>>;
/** What the server tells and counts of each fault, and what it costs. */
const expected: Record<RigFault, (session: Rehearsed) => void> = {
  lose({ counts, of, flagged }) {
    expect(counts.lostMessages).toBeGreaterThan(0);
    // Two that are lost in a row are one gap.
    expect(of("gap")).toBeGreaterThan(counts.lostMessages / 2);
    expect(flagged("gap")).toBeGreaterThan(1);
  },
  duplicate({ counts }) {
    expect(counts.rejected.duplicate).toBeGreaterThan(0);
    expect(counts).toMatchObject({ lostMessages: 0, restarts: 0 });
  },
  reorder({ counts, of }) {
    expect(counts.reorderedMessages).toBeGreaterThan(0);
    expect(of("reordered")).toBe(counts.reorderedMessages);
    // One may be on its way.
    expect(counts.lostMessages).toBeLessThan(2);
  },
  garbage({ counts }) {
    expect(counts.rejected.malformed).toBeGreaterThan(0);
    expect(counts.rejected.malformed % 2).toBe(0);
    expect(counts).toMatchObject({ lostMessages: 0, restarts: 0 });
  },
  half({ counts, flagged }) {
    const rejected = counts.rejected.malformed + counts.rejected.length;
    expect(rejected).toBeGreaterThan(0);
    // The next message reveals that it is missing.
    expect(rejected - counts.lostMessages).toBeOneOf([0, 1]);
    expect(flagged("gap")).toBeGreaterThan(1);
  },
  flood({ counts }) {
    expect(counts.rejected.duplicate).toBeGreaterThan(0);
    expect(counts.rejected.duplicate % (FLOOD - 1)).toBe(0);
    expect(counts).toMatchObject({ lostMessages: 0, restarts: 0 });
  },
  stall({ counts, complete }) {
    expect(counts).toMatchObject({ lostMessages: 0, restarts: 0, lateSpikes: 0 });
    const waitsMs = complete.map(
      ({ closedServerMs }, i) => closedServerMs - (complete[i - 1] ?? complete[0]).closedServerMs,
    );
    expect(Math.max(...waitsMs)).toBeGreaterThan(1000);
  },
  restart({ counts, of, flagged }) {
    expect(counts.restarts).toBeGreaterThan(0);
    expect(of("restart")).toBe(counts.restarts);
    expect(flagged("gap")).toBeGreaterThan(1);
  },
};

describe("W35 the simulated rig with a fault on the way, through real sockets: it is told and counted, and no trial that counts is wrong", () => {
  for (const format of ["latentloop", "open-ephys"] as const) {
    test.concurrent(`${format}: none`, { timeout: 60_000 }, async () => {
      const { counts, complete, wrong } = await rehearse(format, {});
      expect(wrong).toEqual([]);
      expect(complete.length).toBeGreaterThan(LEAST);
      expect(counts).toMatchObject({ lostMessages: 0, reorderedMessages: 0, restarts: 0, lateSpikes: 0 });
      expect(Object.values(counts.rejected).reduce((a, b) => a + b)).toBe(0);
    });

    test.concurrent(`${format}: late by 8 ms and 4 ms more on average`, { timeout: 60_000 }, async () => {
      const { counts, complete, wrong } = await rehearse(format, { delayMs: 8, jitterMs: 4 });
      expect(wrong).toEqual([]);
      expect(complete.length).toBeGreaterThan(LEAST);
      expect(counts).toMatchObject({ lostMessages: 0, restarts: 0, lateSpikes: 0 });
    });

    test.concurrent.each(Object.entries(faultsPerMinute) as [RigFault, number][])(
      `${format}: %s`,
      async (fault, rate) => {
        const session = await rehearse(format, { faultsPerMinute: { [fault]: rate } });
        expect(session.wrong).toEqual([]);
        expect(session.complete.length).toBeGreaterThan(LEAST);
        expected[fault](session);
      },
      60_000,
    );
  }
});

/** Blocks of three messages, made every 5 ms of a clock, on their way. */
function sent(transport: Partial<Transport>, blocks: number) {
  const given = { delayMs: 0, jitterMs: 0, faultsPerMinute: {}, ...transport };
  const strikes = createStrikes(given.faultsPerMinute, random(1));
  const way = createWay(given, random(2));
  const out: { madeMs: number; leavesMs: number; messages: number[][] }[] = [];
  for (let block = 0; block < blocks; block++) {
    const madeMs = 5 * block;
    const messages = [0, 1, 2].map((i) => [Uint8Array.of(3 * block + i, 0)]);
    way.take(messages, strikes(madeMs), madeMs);
    const leavesMs = way.leavesMs();
    out.push({ madeMs, leavesMs, messages: [...way.next()].map((frames) => [...frames[0]]) });
  }
  return out;
}

describe("W35 the way of the simulated rig's blocks", () => {
  test.each([0.5, 2, 10, 50])(
    "blocks leave in order, `delayMs` late at least, half of them at that, and `jitterMs` %d more on average",
    (jitterMs) => {
      const way = createWay({ delayMs: 20, jitterMs, faultsPerMinute: {} }, random(2));
      let nowMs = 0;
      const out = Array.from({ length: 200_000 }, (_, block) => {
        // One block in ten comes later than it should, as on a busy machine.
        nowMs += block % 10 === 0 ? 15 : 5;
        way.take([], new Set(), nowMs);
        const leavesMs = way.leavesMs();
        way.next();
        return { leavesMs, lateMs: leavesMs - nowMs - 20 };
      });
      const late = out.map(({ lateMs }) => lateMs).filter((ms) => ms > 1e-6);
      expect(Math.min(...late)).toBeGreaterThan(0);
      expect(late.length / out.length).toBeCloseTo(0.5, 1);
      const mean = late.reduce((a, b) => a + b) / out.length;
      expect(Math.abs(mean / jitterMs - 1)).toBeLessThan(0.15);
      expect(out.every(({ leavesMs }, i) => i === 0 || leavesMs >= out[i - 1].leavesMs)).toBe(true);
    },
  );

  test.each([10, 50, 100])("jitter of %d ms puts no complete trial outside the interval that is stated", (jitterMs) => {
    const own = { ...alignment, transportMs: 2, maxUncertaintyMs: 10 };
    let complete = 0;
    for (let seed = 0; seed < 10; seed++) {
      const way = createWay({ delayMs: 0, jitterMs, faultsPerMinute: {} }, random(seed));
      let state = initTrials({ units: 1, latencyMs: 80, windowMs: 200, alignment: own });
      const take = (input: TrialInput) => {
        const [next, closed] = stepTrials(state, input);
        state = next;
        for (const { flags, window, presentation: onsetServerMs } of closed) {
          if (!flags.includes("complete")) continue;
          complete++;
          // The two clocks are one here.
          expect(Math.abs(1000 * window!.startS - 80 - onsetServerMs)).toBeLessThanOrEqual(window!.uncertaintyMs);
        }
      };
      let onsetServerMs = 30;
      for (let madeMs = 0; madeMs < 60_000; madeMs += 5) {
        const restarts = madeMs % 8000 === 4000;
        way.take([], new Set<RigFault>(restarts ? ["restart"] : []), madeMs);
        const arrivedServerMs = way.leavesMs();
        way.next();
        if (restarts) take({ type: "restart", stream: "s", arrivedServerMs });
        for (; onsetServerMs <= arrivedServerMs; onsetServerMs += 250) {
          const onset = { presentation: onsetServerMs, face: 0, latents: new Float64Array(1), onsetServerMs };
          const display = { uncertaintyMs: 0, dropped: 0, lateFrames: 0, patch: false, interrupted: false };
          take({ type: "onset", ...onset, ...display });
        }
        const s = madeMs / 1000;
        const empty = { unit: new Uint16Array(), timeS: new Float64Array(), count: null };
        take({ type: "batch", stream: "s", untilS: s, reachedS: s, ...empty, arrivedServerMs });
      }
    }
    expect(complete).toBeGreaterThan(1000);
  });

  test("without faults every message leaves once, at once, as it was made", () => {
    for (const { madeMs, leavesMs, messages } of sent({}, 50)) {
      expect(leavesMs).toBe(madeMs);
      const first = (3 * madeMs) / 5;
      expect(messages).toEqual([0, 1, 2].map((i) => [first + i, 0]));
    }
  });

  test("faults come so many times a minute, any of a block's messages is struck, and the same seed strikes the same", () => {
    const minutes = 6;
    const blocks = (60_000 / 5) * minutes;
    const out = sent({ faultsPerMinute: { lose: 30 } }, blocks);
    const lost = out.flatMap(({ messages }, block) =>
      messages.length === 3 ? [] : [[0, 1, 2].findIndex((i) => messages[i]?.[0] !== ((3 * block + i) & 255))],
    );
    // Poisson: 600 ± 4 √600.
    expect(Math.abs(lost.length - 30 * minutes)).toBeLessThan(4 * Math.sqrt(30 * minutes));
    for (const i of [0, 1, 2]) expect(lost.filter((place) => place === i).length).toBeGreaterThan(lost.length / 4);
    expect(sent({ faultsPerMinute: { lose: 30 } }, blocks)).toEqual(out);
  });

  test("a message that is held back comes after the next one, in the next block where it was the last", () => {
    const out = sent({ faultsPerMinute: { reorder: 600 } }, 4000).flatMap(({ messages }) => messages.map(([n]) => n));
    const moved = out.flatMap((n, i) => (i > 0 && n === ((out[i - 1] - 1) & 255) ? [i] : []));
    expect(moved.length).toBeGreaterThan(100);
    expect(out.length).toBe(12_000 - (out.at(-1) === (11_999 & 255) || moved.at(-1) === out.length - 1 ? 0 : 1));
  });
});

describe("W35 a restart", () => {
  test("loses what is on its way: nothing of the clock before comes after it, not even what was held back", () => {
    const way = createWay({ delayMs: 20, jitterMs: 0, faultsPerMinute: { reorder: 1, restart: 1 } }, random(2));
    const take = (n: number, ...strikes: RigFault[]) => way.take([[Uint8Array.of(n)]], new Set(strikes), 5 * n);
    const leave = () => [...way.next()].map(([frame]) => frame[0]);
    take(0);
    take(1, "reorder");
    take(2);
    expect([leave(), leave()]).toEqual([[0], []]);
    take(3, "restart");
    take(4);
    expect([leave(), leave()]).toEqual([[3], [4]]);
    expect(way.leavesMs()).toBe(Number.POSITIVE_INFINITY);
  });
});

const bad = (rest: string) => experimentOf(`${smallExperiment("bad", 20, `{ ramp: 2, transport: ${rest} }`)}`);

test("W35 a rig that is made to misbehave is told before the first face, and a delay that software alignment can't know", () => {
  const { alignment, ...late } = bad("{ delayMs: 12, faultsPerMinute: { lose: 3 } }");
  const warnings = transportWarnings({ ...late, alignment }, false);
  expect(warnings).toEqual([
    expect.stringMatching(/12 ms late, 0 ms of jitter, faults a minute: lose 3 \(simulation.transport\)/),
    expect.stringMatching(/delayMs 12 is more than alignment.transportMs 2: windows lie up to 10 ms too early/),
  ]);
  expect(transportWarnings({ ...late, alignment: { ...alignment, method: "photodiode" } }, false)).toHaveLength(1);
  expect(transportWarnings({ ...late, alignment }, true)).toEqual([
    expect.stringContaining("says nothing in virtual time"),
  ]);
});

test("W35 what can't be is refused by the experiment file, and a study has no transport", () => {
  expect(() => bad("{ faultsPerMinute: { loose: 3 } }")).toThrow(
    /faultsPerMinute: Unrecognized key: "loose" \(known: lose/,
  );
  expect(() => bad("{ jitterMs: 101 }")).toThrow(
    /simulation.transport.jitterMs: expected number to be <=100, found 101/,
  );
  expect(() => bad("{ delayMs: -1 }")).toThrow(/simulation.transport.delayMs: expected number to be >=0, found -1/);
  const study =
    "name: s\nexperiment: e.yaml\ntrials: 5\nseeds: 1\ndesigns: { a: {} }\nreference: a\ncheckpoints: [5]\n";
  expect(parseStudy(`${study}populations: { a: { ramp: 1 } }`)).toMatchObject({ ok: true });
  expect(parseStudy(`${study}populations: { a: { ramp: 1, transport: {} } }`)).toMatchObject({
    errors: expect.stringContaining('Unrecognized key: "transport"'),
  });
});
