import { resolve } from "node:path";
import { SingleBar } from "cli-progress";
import { Command, Option } from "commander";
import { type Observable, ReplaySubject } from "rxjs";
import { type Experiment, experiment as experimentSchema } from "../../protocols/experiment.ts";
import type { OperatorOp } from "../../protocols/wire/operator.ts";
import { lacksFactors } from "../../sim/faces/latent-factors.ts";
import { onOneStream } from "../../sim/neurons/unit.ts";
import { scoreSession } from "../../sim/study/score.ts";
import type { Findings } from "../choice/decider.ts";
import { serverNow } from "../clock.ts";
import { ConfigurationError } from "../failure.ts";
import { type LiveResult, resumeLive, runLive, type Watcher } from "../live.ts";
import { type LiveOptions, simulatedUnits } from "../live-edges.ts";
import { backendNames } from "../model/backend-name.ts";
import { experimentModel } from "../model/experiment-model.ts";
import { type Overrides, readExperiment } from "../session/experiment-file.ts";
import { openSessionFolder } from "../session/folder.ts";
import { deciderSettings } from "../session/settings.ts";
import { describeSummary, type SessionSummary, summarise } from "../session/summary.ts";
import { planWarnings, transportWarnings } from "../session/timing.ts";
import { type SessionView, trialsPerMinute } from "../session/view.ts";
import { recoveredWords, stalledWords } from "../session/words.ts";
import { withNetworkOptions } from "./network.ts";
import { numberOption } from "./options.ts";
import { duration } from "./progress.ts";

interface RunOptions extends Overrides, Omit<LiveOptions, "experimentFile"> {
  json: boolean;
  virtual: boolean;
  resume?: string;
}

const objectives = experimentSchema.shape.choice.unwrap().shape.objective.options;

/** `latentloop run`: a session, live or in virtual time. */
export function runCommand(): Command {
  const command = new Command("run")
    .summary("Run a closed-loop session")
    .description(
      "Run a closed-loop session: count spikes, learn each unit's tuning, choose the next face, show it.\n" +
        "With --rig sim the recording system is simulated, in a process of its own; --display headless needs no browser.",
    )
    .argument("[experiment]", "experiment file (YAML), as protocols/experiments/one-to-one.yaml; none with --resume")
    .option("--resume <session>", "go on with the session in this folder, whose server died")
    .option("--rig <address>", 'recording system: "sim", or its ZeroMQ endpoint, as tcp://host:5556', "sim")
    .addOption(
      new Option("--rig-format <format>", "what the simulated rig speaks")
        .choices(["latentloop", "open-ephys"])
        .default("latentloop"),
    )
    .addOption(
      new Option("--display <kind>", "browser: open the page that is printed; headless: a process without a screen")
        .choices(["browser", "headless"])
        .default("browser"),
    )
    .option(
      "--trials <n>",
      "trials to record, instead of the file's",
      numberOption("--trials", { min: 1, whole: true }),
    )
    .option("--seed <n>", "seed, instead of the file's", numberOption("--seed", { min: 0, whole: true }))
    .addOption(new Option("--objective <name>", "how faces are chosen, instead of the file's").choices([...objectives]))
    .addOption(
      new Option("--backend <name>", "TensorFlow.js backend, instead of the best that works").choices([
        ...backendNames,
      ]),
    )
    .option(
      "--virtual",
      "simulated rig and display in virtual time, as fast as it can be computed; no faces are drawn, and --rig, --display, --backend, --host, --port, --token-file, --allow-host, --events and --keys say nothing",
      false,
    );
  return withNetworkOptions(command)
    .option(
      "--events <endpoint>",
      "where every presentation and trial is published (ZeroMQ PUB)",
      "tcp://127.0.0.1:5570",
    )
    .option("--keys <file>", "encrypt spikes, gate and public events with this file, as `latentloop keys` makes one")
    .option("--out <folder>", "where the session's folder is made", "sessions")
    .option(
      "--hold",
      "show nothing until an operator starts the session, from the dashboard or with `operator resume`",
      false,
    )
    .option("--json", "print one JSON object last, on stdout", false)
    .addHelpText(
      "after",
      `
Examples:
  $ npx latentloop run protocols/experiments/one-to-one.yaml
  $ npx latentloop run protocols/experiments/one-to-one.yaml --display headless --trials 300 --seed 1 --json
  $ npx latentloop run my-experiment.yaml --rig tcp://recording-pc:5556
  $ npx latentloop run --resume sessions/2026-01-31T12-00-00-000-one-to-one

Ctrl-C ends the session and prints its summary; what was recorded is kept.
Exit code: 0 ended or aborted; 1 something broke, or could not be written (what the journal has is kept); 2 something you gave is wrong.`,
    )
    .action(async (file: string | undefined, options: RunOptions, command: Command) => {
      if (options.rig !== "sim") checkEndpoint("--rig", options.rig);
      checkEndpoint("--events", options.events);
      const watcher = createWatcher();
      let result: LiveResult;
      try {
        if (options.resume !== undefined) {
          refuseWithResume(file, command);
          result = await resumeLive(options.resume, givenOptions(options, command), interrupts(watcher), watcher);
        } else if (file === undefined) {
          throw new ConfigurationError(
            "expected an experiment file, or --resume with a session's folder, found neither",
          );
        } else {
          const given = await readExperiment(file, options);
          const experiment = options.virtual || options.rig === "sim" ? await withFactors(given, file, watcher) : given;
          result = options.virtual
            ? await runVirtual(onOneStream(experiment), file, options.out, watcher)
            : await runLive(
                experiment,
                { ...options, ...(options.keys && { keys: resolve(options.keys) }), experimentFile: resolve(file) },
                interrupts(watcher),
                watcher,
              );
        }
      } finally {
        watcher.stop();
      }
      const { summary, latentNames, failure } = result;
      process.stderr.write(describeSummary(summary, latentNames));
      if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
      if (failure) throw failure;
    });
}

/** What draws heads and encodes them takes a while to load, and hardly a session needs it. */
const withFactors = async (experiment: Experiment, file: string, { said }: Watcher): Promise<Experiment> =>
  experiment.simulation && lacksFactors(experiment.simulation, experiment.model)
    ? (await import("../../sim/faces/model-factors.ts")).withLatentFactors(experiment, file, said)
    : experiment;

/** A session goes on as it was: what would make it another one is refused. */
function refuseWithResume(file: string | undefined, command: Command): void {
  if (file !== undefined) throw new ConfigurationError(`--resume: expected no experiment file, found ${file}`);
  for (const name of ["trials", "seed", "objective", "virtual", "out"])
    if (command.getOptionValueSource(name) === "cli")
      throw new ConfigurationError(`--resume: expected a session to go on as it was, found --${name}`);
}

/** The options that the command line names; all others are as they were when the session began. */
const givenOptions = (options: RunOptions, command: Command): Partial<LiveOptions> =>
  Object.fromEntries(
    Object.entries(options).filter(([name]) => name !== "resume" && command.getOptionValueSource(name) === "cli"),
  );

function checkEndpoint(option: string, address: string): void {
  if (!/^(tcp|ipc):\/\/./.test(address))
    throw new ConfigurationError(`${option}: expected a ZeroMQ endpoint, as tcp://host:5556, got "${address}"`);
}

async function runVirtual(experiment: Experiment, file: string, out: string, watcher: Watcher): Promise<LiveResult> {
  // Names that no unit has are refused before a folder is made.
  const settings = deciderSettings(
    experiment,
    simulatedUnits(experiment).map(({ name }) => name),
  );
  const model = await experimentModel(experiment, file);
  const latentNames = model.card.latents.each.map((latent) => latent.name);
  let failure: Error | null = null;
  let isStalled = false;
  const folder = await openSessionFolder(
    out,
    experiment,
    { virtual: true },
    {
      stalled(error) {
        isStalled = true;
        watcher.said(stalledWords(error));
      },
      recovered() {
        isStalled = false;
        watcher.said(recoveredWords);
      },
    },
  );
  folder.note("model", serverNow(), model);
  folder.note("decider", serverNow(), { settings, seed: experiment.seed });
  for (const warning of [...planWarnings(experiment), ...transportWarnings(experiment, true)])
    watcher.said(`warning: ${warning}`);
  let summary: SessionSummary | null = null;
  let findings: Findings | null = null;
  try {
    // Here alone: a live session need not wait for it.
    const { openVirtualSession } = await import("../../sim/study/virtual.ts");
    const startedMs = serverNow();
    const running = openVirtualSession(experiment, experiment.seed, (event, virtualMs) =>
      folder.record(event, startedMs + virtualMs),
    );
    let interrupted = false;
    interrupts(watcher).subscribe(() => {
      interrupted = true;
    });
    try {
      while (!interrupted && running.advance()) {
        watcher.changed(running.view(), latentNames);
        await new Promise(setImmediate);
        while (isStalled && !interrupted) await new Promise((resolve) => setTimeout(resolve, STALLED_MS));
      }
    } catch (error) {
      failure = error as Error;
    }
    findings = await running.conclude().catch((error: Error) => {
      throw failure ?? error;
    });
    const session = running.result();
    summary = summarise({
      experiment,
      view: session.view,
      counts: { spikes: session.spikes, lostMessages: 0, rejected: {} },
      findings,
      score: scoreSession(experiment, session.units, findings.units, session.view.trials.closed),
      lastSpikeToReadyMs: [],
      latencyMs: {},
      backend: "none (virtual time)",
      sessionDir: folder.path,
    });
  } finally {
    const unwritten = await folder.close(summary, findings);
    failure ??= unwritten;
  }
  return { summary, latentNames, failure };
}

/** How often a virtual session looks whether its journal can be written again. */
const STALLED_MS = 100;

/** A wrapper may pass a signal on to a process that has it already: what comes so soon is the same one. */
const SAME_SIGNAL_MS = 300;

/** Ctrl-C ends the session with its summary; a second one does not wait. */
function interrupts(watcher: Watcher): Observable<OperatorOp> {
  // Kept until the loop listens: an interrupt while the session is being opened must not be lost.
  const commands$ = new ReplaySubject<OperatorOp>(1);
  let firstServerMs: number | null = null;
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (firstServerMs === null) {
        firstServerMs = serverNow();
        watcher.said("ending the session; once more to quit without a summary");
        commands$.next("abort");
      } else if (serverNow() - firstServerMs > SAME_SIGNAL_MS) {
        watcher.stop();
        process.exit(130);
      }
    });
  return commands$;
}

const LOG_EVERY_MS = 10_000;

/** Progress on stderr: a bar with the time to go on a terminal, a line now and then elsewhere. */
function createWatcher(): Watcher {
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: "{bar} trial {value}/{total}{unusable}  {left} to go  {rate}/min  {best}",
        stream: process.stderr,
        hideCursor: true,
      })
    : null;
  let view: SessionView | null = null;
  let loggedMs = serverNow();
  const say = (line: string) => process.stderr.write(`${line}\n`);

  return {
    said: say,
    changed(latest, latentNames) {
      const first = !view || view.trials.closed === 0;
      view = latest;
      const { closed, planned, usable } = view.trials;
      if (closed === 0) return;
      const rate = trialsPerMinute(view);
      const left = rate > 0 ? duration(((planned - closed) * 60) / rate) : "unknown time";
      const unusable = closed > usable ? `, ${closed - usable} not usable` : "";
      const best = view.bestUnit ? `best known: ${view.bestUnit.unit} on ${latentNames[view.bestUnit.latent]}` : "";
      if (bar) {
        const figures = { left, rate: rate.toFixed(0), best, unusable };
        if (first) bar.start(planned, closed, figures);
        else bar.update(closed, figures);
      } else if (serverNow() - loggedMs > LOG_EVERY_MS) {
        loggedMs = serverNow();
        say(`trial ${closed}/${planned}${unusable}, ${rate.toFixed(0)}/min, ${left} to go${best && `, ${best}`}`);
      }
    },
    stop() {
      bar?.stop();
    },
  };
}
