import { Command, Option } from "commander";
import { experiment as experimentSchema } from "../../protocols/experiment.ts";
import type { Objective } from "../choice/choice.ts";
import { createDecider, type DeciderData, refitterSettings } from "../choice/decider.ts";
import type { Difference } from "../choice/replay.ts";
import { pacedRefits } from "../choice/replay.ts";
import { ConfigurationError } from "../failure.ts";
import { random } from "../random.ts";
import { type FoundSession, readSession } from "../session/folder.ts";
import { sessionFolder } from "../session/journal-reader.ts";
import { type ReplayResult, replayJournal } from "../session/replay.ts";
import { otherVersions } from "../session/versions.ts";
import { refitsHere } from "../tuning/refits.ts";

interface ReplayOptions {
  verify: boolean;
  objective?: Objective;
  json: boolean;
}

const objectives = experimentSchema.shape.choice.unwrap().shape.objective.options;

/** `latentloop replay`: a session again, from its journal. */
export function replayCommand(): Command {
  return new Command("replay")
    .summary("Make a session's decisions again from its journal")
    .description(
      "Make every decision of a session again from its journal, and compare: each choice with its reasons, and what was believed\n" +
        "after each trial, bit for bit.",
    )
    .argument("<session>", "a session's folder")
    .option("--verify", "compare choices, reasons and posteriors with the journal's", false)
    .addOption(
      new Option("--objective <name>", "what another objective would have chosen, given the same answers").choices([
        ...objectives,
      ]),
    )
    .option("--json", "print one JSON object, on stdout", false)
    .addHelpText(
      "after",
      "\nExit code: 0 identical; 1 something differs (the first difference is printed); 2 something you gave is wrong.",
    )
    .action(async (path: string, options: ReplayOptions) => {
      const folder = sessionFolder(path);
      const found = await readSession(folder);
      const data = deciderOf(found);
      if (options.objective) return alternative(found, data, options.objective, options.json);
      if (!options.verify)
        throw new ConfigurationError("replay: expected --verify or --objective, found no option that says what to do");
      return verify(found, data, options.json);
    });
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

async function verify(found: FoundSession, { settings, seed }: DeciderData, json: boolean): Promise<void> {
  const refits = pacedRefits(refitsHere(refitterSettings(settings)));
  const decider = createDecider(settings, random(seed).split("decider"), refits);
  const result = await replayJournal(found.folder, { ...settings, decider, refits }, { toDifference: true });
  const others = otherVersions(found.versions);
  if (json) process.stdout.write(`${JSON.stringify({ ...result, otherVersions: others, torn: found.end.torn })}\n`);
  else process.stdout.write(describe(result, others, found.end.torn));
  if (result.difference) process.exitCode = 1;
}

function describe({ trials, choices, difference }: ReplayResult, others: string[], torn: string | null): string {
  const lines = [
    ...(torn ? [`the journal ends early: ${torn}`] : []),
    ...others.map((line) => `note: ${line}`),
    difference
      ? `different: ${differenceWords(difference)}`
      : `identical: ${choices} choices with their reasons, and the posterior after each of ${trials} trials`,
  ];
  if (difference && others.length > 0)
    lines.push("what it ran with is not what runs here: the difference may come from that alone");
  return `${lines.join("\n")}\n`;
}

const differenceWords = ({ afterTrial, what, journal, replay }: Difference): string =>
  `after trial ${afterTrial ?? "none"}, ${what}: the journal has ${JSON.stringify(journal)}, the replay ${JSON.stringify(replay)}`;
