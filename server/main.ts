#!/usr/bin/env node
/** The command line. What runs a session is live.ts; what a session does is loop.ts. */
import { Command, CommanderError } from "commander";
import { ConfigurationError, LostEdgeError } from "./failure.ts";
import { packageVersion } from "./package-root.ts";

const USER_MISTAKE = 2;

// Native TensorFlow talks of GPUs that it does not find; a worker thread could not quieten it, for its environment is a copy.
process.env.TF_CPP_MIN_LOG_LEVEL ??= "3";

const program = new Command("latentloop")
  .description(
    "Closed-loop control of experiments on face-selective neurons: spikes in, tuning to the latents of a beta-VAE learned online, the next faces chosen for what they will teach, synthesised and shown.",
  )
  .version(packageVersion)
  .addHelpText("after", "\nBegin with: npx latentloop run protocols/experiments/one-to-one.yaml")
  .showHelpAfterError("(--help shows what is expected)");

/**
 * Each command's module, in the order of the help. Only the one that is run is loaded: all of them, with what they stand on, take longer than
 * a session that goes on has.
 */
const commands: Record<string, () => Promise<Command>> = {
  run: async () => (await import("./commands/run.ts")).runCommand(),
  study: async () => (await import("./commands/study.ts")).studyCommand(),
  "study-worker": async () => (await import("./commands/study-worker.ts")).studyWorkerCommand(),
  "study-status": async () => (await import("./commands/study-status.ts")).studyStatusCommand(),
  rig: async () => (await import("./commands/rig.ts")).rigCommand(),
  display: async () => (await import("./commands/display.ts")).displayCommand(),
  "display-test": async () => (await import("./commands/display-test.ts")).displayTestCommand(),
  listen: async () => (await import("./commands/listen.ts")).listenCommand(),
  operator: async () => (await import("./commands/operator.ts")).operatorCommand(),
  journal: async () => (await import("./commands/journal.ts")).journalCommand(),
  replay: async () => (await import("./commands/replay.ts")).replayCommand(),
  dashboard: async () => (await import("./commands/dashboard.ts")).dashboardCommand(),
  export: async () => (await import("./commands/export.ts")).exportCommand(),
  keys: async () => (await import("./commands/keys.ts")).keysCommand(),
  analyse: async () => (await import("./commands/analyse.ts")).analyseCommand(),
  faces: async () => (await import("./commands/faces.ts")).facesCommand(),
  train: async () => (await import("./commands/train.ts")).trainCommand(),
  evaluate: async () => (await import("./commands/evaluate.ts")).evaluateCommand(),
  traverse: async () => (await import("./commands/traverse.ts")).traverseCommand(),
  reconstruct: async () => (await import("./commands/reconstruct.ts")).reconstructCommand(),
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand(),
  "link-tensorflow": async () => (await import("./commands/link-tensorflow.ts")).linkTensorflowCommand(),
  paper: async () => (await import("./commands/paper.ts")).paperCommand(),
};

const asked = process.argv[2] ?? "";
for (const [name, load] of Object.entries(commands)) {
  if (Object.hasOwn(commands, asked) && name !== asked) continue;
  const command = await load();
  command.copyInheritedSettings(program).exitOverride();
  program.addCommand(command);
}

/** By name: an error that crossed from a worker thread has lost its class. */
const shortErrors = new Set([ConfigurationError.name, LostEdgeError.name]);

// Whoever reads what is printed may have had enough, as `head` has.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

try {
  await program.exitOverride().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : USER_MISTAKE;
  } else if (error instanceof Error && shortErrors.has(error.name)) {
    process.stderr.write(`latentloop: ${error.message}\n`);
    process.exitCode = error.name === ConfigurationError.name ? USER_MISTAKE : 1;
  } else {
    process.stderr.write(`latentloop: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}
