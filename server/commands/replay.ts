import { isDeepStrictEqual } from "node:util";
import { Command, Option } from "commander";
import { experiment as experimentSchema } from "../../protocols/experiment.ts";
import type { Objective } from "../choice/choice.ts";
import { createDecider, type DeciderData, refitterSettings } from "../choice/decider.ts";
import { type Difference, firstDifference, pacedRefits } from "../choice/replay.ts";
import { ConfigurationError } from "../failure.ts";
import { modelDigest } from "../model/digest.ts";
import { type PlaybackOptions, type Played, playSession } from "../playback/playback.ts";
import { type Recount, recountSession } from "../playback/recount.ts";
import { random } from "../random.ts";
import { type FoundSession, readSession } from "../session/folder.ts";
import { sessionFolder } from "../session/journal-reader.ts";
import { type ReplayResult, replayJournal } from "../session/replay.ts";
import { readSnapshot, type Snapshot, snapshotNames } from "../session/snapshot.ts";
import { otherVersions } from "../session/versions.ts";
import { refitsHere } from "../tuning/refits-here.ts";
import { withNetworkOptions } from "./network.ts";
import { numberOption } from "./options.ts";
import { createProgress, duration, type Progress } from "./progress.ts";

interface ReplayOptions extends Omit<PlaybackOptions, "speed"> {
  verify: boolean;
  objective?: Objective;
  rig?: "recorded";
  speed?: number;
  json: boolean;
}

const objectives = experimentSchema.shape.choice.unwrap().shape.objective.options;

/** The slowest and the quickest that there is a use for; `max` is quicker. */
const speed = numberOption("--speed (or max)", { min: 0.01, max: 1000 });

/** `latentloop replay`: a session again, from its journal. */
export function replayCommand(): Command {
  const command = new Command("replay")
    .summary("A session again, from its journal: its decisions, compared, or its faces, on a display")
    .description(
      "Make a session again from its journal. With --verify every decision is made again and compared: each choice with its reasons, and\n" +
        "what was believed after each trial, bit for bit. With --speed its faces come on a display again, when they came, and dashboards\n" +
        "follow trial by trial. With --rig recorded its spikes and edges go through a socket again, at the times at which they arrived, and its\n" +
        "trials are counted again and compared. Nothing is written into the session's folder.",
    )
    .argument("<session>", "a session's folder")
    .option("--verify", "compare choices, reasons and posteriors with the journal's", false)
    .addOption(
      new Option("--objective <name>", "what another objective would have chosen, given the same answers").choices([
        ...objectives,
      ]),
    )
    .addOption(
      new Option(
        "--rig <rig>",
        "recorded: count its trials again from its spikes and edges, sent in our own format over ZeroMQ",
      ).choices(["recorded"]),
    )
    .option(
      "--speed <times>",
      "play it to a display and to dashboards, so many times as fast as it was; max: a face a frame, without pauses",
      (text) => (text === "max" ? Number.POSITIVE_INFINITY : speed(text)),
    )
    .addOption(
      new Option(
        "--display <kind>",
        "with --speed; browser: open the page that is printed; headless: a process without a screen",
      )
        .choices(["browser", "headless"])
        .default("browser"),
    );
  return withNetworkOptions(command)
    .option("--json", "print one JSON object, on stdout", false)
    .addHelpText(
      "after",
      "\nExit code: 0 identical; 1 something differs (the first difference is printed); 2 something you gave is wrong.",
    )
    .action(async (path: string, options: ReplayOptions) => {
      const folder = sessionFolder(path);
      const { verify: isVerified, objective, rig, speed, json } = options;
      const isPlayed = rig === undefined && speed !== undefined;
      const asked = [isVerified, objective !== undefined, isPlayed, rig !== undefined].filter(Boolean).length;
      if (asked !== 1)
        throw new ConfigurationError(
          `replay: expected one of --verify, --objective, --rig and --speed to say what to do, found ${asked === 0 ? "none" : asked}`,
        );
      if (isPlayed) return play(folder, { ...options, speed }, json);
      const found = await readSession(folder);
      if (rig) return recount(found, speed ?? 1, json);
      const data = deciderOf(found);
      if (objective) return alternative(found, data, objective, json);
      return verify(found, data, json);
    });
}

/** Plays a session; Ctrl-C ends it. */
async function play(folder: string, options: PlaybackOptions, json: boolean): Promise<void> {
  let progress: Progress | null = null;
  say(`reading ${folder}`);
  const played = await playSession(folder, options, interrupts(), {
    said: say,
    async began(found) {
      for (const line of await otherModel(found)) say(`note: ${line}: faces may look otherwise`);
    },
    changed(closed, all) {
      progress ??= createProgress("trials", all);
      progress.update(closed);
    },
    waits: (seconds) => say(`nothing was shown for ${duration(seconds * options.speed)}: ${duration(seconds)} to wait`),
  }).finally(() => progress?.stop());
  if (json) process.stdout.write(`${JSON.stringify(played)}\n`);
  else say(playedWords(played));
}

const say = (line: string) => process.stderr.write(`${line}\n`);

function playedWords({ faces, trials, tookS, recordedS, offMs }: Played): string {
  const count = (one: { all: number }, come: number, what: string) =>
    come === one.all ? `${come} ${what}` : `${come} of ${one.all} ${what}`;
  const off = offMs
    ? `; onsets were ${offMs.median.toFixed(1)} ms from where they were due (median; ${offMs.most.toFixed(1)} ms at most)`
    : "";
  return `played ${count(faces, faces.shown, "faces")} and ${count(trials, trials.closed, "trials")} in ${tookS.toFixed(1)} s, recorded in ${recordedS.toFixed(1)} s${off}`;
}

/** Counts a session's trials again; Ctrl-C ends it. */
async function recount(found: FoundSession, speed: number, json: boolean): Promise<void> {
  deciderOf(found);
  const progress = createProgress("trials", found.progress.trials);
  const result = await recountSession(found, {
    speed,
    interrupted: interrupts(),
    compared: (trials) => progress.update(trials),
  }).finally(() => progress.stop());
  const others = otherVersions(found.versions);
  if (json) process.stdout.write(`${JSON.stringify({ ...result, otherVersions: others, torn: found.end.torn })}\n`);
  else process.stdout.write(recountWords(result, others, found.end.torn));
  if (result.difference) process.exitCode = 1;
}

function recountWords(
  { trials, different, differentCounts, messages, spikes, difference, hasEmptyMessages, isInterrupted }: Recount,
  others: string[],
  torn: string | null,
): string {
  const lines = [
    ...journalNotes(torn, others),
    ...(isInterrupted ? ["interrupted: what follows is of the trials until then"] : []),
    difference
      ? `${different} of ${trials} trials are different, ${differentCounts} of them in their counts, the first: ${valuesWords(difference)}`
      : `${trials} trials: all counts as recorded, and windows, flags and closing times with them`,
    `${messages} messages with ${spikes} spikes went over ZeroMQ`,
  ];
  if (difference && !hasEmptyMessages)
    lines.push(
      "its journal has no message without spikes, as older versions left them out: where the stream's clock stood is not known as well as it was then, and windows may lie elsewhere",
    );
  return `${lines.join("\n")}\n`;
}

/** Aborted by Ctrl-C. */
function interrupts(): AbortSignal {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  return interrupt.signal;
}

function deciderOf({ decider, folder }: FoundSession): DeciderData {
  if (!decider)
    throw new ConfigurationError(
      `${folder}: expected a session that decided something, found no decider in its journal`,
    );
  return decider;
}

interface Alternative {
  face: number;
  /** The trial that was learned from last; null: none. */
  after: number | null;
  shown: number[];
  wouldBe: number[];
  /** Of the two, in latent units. */
  distance: number;
}

/** At each choice: what was shown, and what the objective would have wanted. What was shown is what is learned from. */
async function alternative(
  found: FoundSession,
  { settings, seed }: DeciderData,
  objective: Objective,
  json: boolean,
): Promise<void> {
  const changed: DeciderData["settings"] = {
    ...settings,
    choice: { ...settings.choice, objective },
    program: { ...settings.program, objective, blocks: [] },
  };
  const refits = pacedRefits(refitsHere(refitterSettings(changed)));
  const decider = createDecider(changed, random(seed).split("decider"), refits);
  const rows: Alternative[] = [];
  await replayJournal(
    found.folder,
    { ...changed, decider, refits },
    {
      told(step, { choices }) {
        if (step.op !== "decide") return;
        for (const [i, { face, choice }] of step.answer.entries()) {
          const [shown, wouldBe] = [choice, choices[i]].map(({ latents }) => [...latents]);
          const distance = Math.hypot(...shown.map((z, d) => z - wouldBe[d]));
          rows.push({ face, after: step.trial, shown, wouldBe, distance });
        }
      },
    },
  );
  if (json) process.stdout.write(`${JSON.stringify({ objective, choices: rows })}\n`);
  else
    for (const { face, after, wouldBe, distance } of rows)
      process.stdout.write(
        `face ${face} (after trial ${after ?? "none"}): ${objective} would have shown ${wouldBe.map((z) => z.toFixed(1)).join(" ")}, ${distance.toFixed(2)} from what was\n`,
      );
}

/** A replay knows nothing of snapshots; those that are there are compared with what it comes to. */
async function verify(found: FoundSession, { settings, seed }: DeciderData, json: boolean): Promise<void> {
  const { folder } = found;
  const refits = pacedRefits(refitsHere(refitterSettings(settings)));
  const decider = createDecider(settings, random(seed).split("decider"), refits);
  const kept = snapshotNames(folder);
  const snapshots: SnapshotCheck[] = [];
  const result = await replayJournal(
    folder,
    { ...settings, decider, refits },
    {
      toDifference: true,
      async passed(file) {
        // A session that still runs lets old ones go.
        if (!kept.includes(file) || !snapshotNames(folder).includes(file)) return;
        const made = { decider: decider.state(), refitter: await refits.state() };
        snapshots.push({ file, differs: await compareSnapshot(folder, file, made) });
      },
    },
  );
  const others = [...otherVersions(found.versions), ...(await otherModel(found))];
  const { torn } = found.end;
  if (json) process.stdout.write(`${JSON.stringify({ ...result, snapshots, otherVersions: others, torn })}\n`);
  else process.stdout.write(describe(result, snapshots, others, torn));
  if (result.difference || snapshots.some(({ differs }) => differs !== null)) process.exitCode = 1;
}

/** Decisions are made again without the model: that it is another one now is only said. */
async function otherModel({ model, modelDigest: then }: FoundSession): Promise<string[]> {
  if (model === null || then === null) return [];
  const now = await modelDigest(model).catch(() => null);
  if (now === then) return [];
  return [`model ${model}: ${now === null ? "it is not there any more" : "it is not what the session ran with"}`];
}

interface SnapshotCheck {
  file: string;
  /** What in it is not what the journal comes to, or why it can't be read; null: nothing. */
  differs: string | null;
}

async function compareSnapshot(
  folder: string,
  file: string,
  made: Pick<Snapshot, "decider" | "refitter">,
): Promise<string | null> {
  try {
    const { place, session, decider, refitter } = readSnapshot(folder, file);
    const { progress } = await readSession(folder, undefined, { records: place.n });
    const found = firstDifference(progress, session.progress, "progress");
    if (found) return differenceWords({ afterTrial: progress.lastLesson, ...found });
    if (isDeepStrictEqual({ decider, refitter }, made)) return null;
    const within = firstDifference(made, { decider, refitter }, "state");
    return within ? differenceWords({ afterTrial: progress.lastLesson, ...within }) : "the sign of a zero";
  } catch (error) {
    return (error as Error).message;
  }
}

function describe(
  { trials, choices, difference }: ReplayResult,
  snapshots: readonly SnapshotCheck[],
  others: string[],
  torn: string | null,
): string {
  const lines = [
    ...journalNotes(torn, others),
    difference
      ? `different: ${differenceWords(difference)}`
      : `identical: ${choices} choices with their reasons, and the posterior after each of ${trials} trials`,
    ...snapshots.map(({ file, differs }) =>
      differs === null ? `${file}: as the journal comes to it` : `${file} is different: ${differs}`,
    ),
  ];
  if (difference && others.length > 0)
    lines.push("what it ran with is not what runs here: the difference may come from that alone");
  return `${lines.join("\n")}\n`;
}

/** What is to be known before what was found. */
const journalNotes = (torn: string | null, others: readonly string[]): string[] => [
  ...(torn ? [`the journal ends early: ${torn}`] : []),
  ...others.map((line) => `note: ${line}`),
];

const differenceWords = (difference: Difference): string =>
  `after trial ${difference.afterTrial ?? "none"}, ${valuesWords(difference)}`;
const valuesWords = ({ what, journal, replay }: Pick<Difference, "what" | "journal" | "replay">): string =>
  `${what}: the journal has ${JSON.stringify(journal)}, the replay ${JSON.stringify(replay)}`;
