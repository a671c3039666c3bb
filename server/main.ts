#!/usr/bin/env node
/** The command line. What runs a session is live.ts; what a session does is loop.ts. */
import { Command, CommanderError } from "commander";
import { analyseCommand } from "./commands/analyse.ts";
import { dashboardCommand } from "./commands/dashboard.ts";
import { displayCommand } from "./commands/display.ts";
import { displayTestCommand } from "./commands/display-test.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { exportCommand } from "./commands/export.ts";
import { facesCommand } from "./commands/faces.ts";
import { journalCommand } from "./commands/journal.ts";
import { keysCommand } from "./commands/keys.ts";
import { linkTensorflowCommand } from "./commands/link-tensorflow.ts";
import { listenCommand } from "./commands/listen.ts";
import { operatorCommand } from "./commands/operator.ts";
import { paperCommand } from "./commands/paper.ts";
import { reconstructCommand } from "./commands/reconstruct.ts";
import { replayCommand } from "./commands/replay.ts";
import { rigCommand } from "./commands/rig.ts";
import { runCommand } from "./commands/run.ts";
import { studyCommand } from "./commands/study.ts";
import { studyStatusCommand } from "./commands/study-status.ts";
import { studyWorkerCommand } from "./commands/study-worker.ts";
import { trainCommand } from "./commands/train.ts";
import { traverseCommand } from "./commands/traverse.ts";
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

for (const command of [
  runCommand(),
  studyCommand(),
  studyWorkerCommand(),
  studyStatusCommand(),
  rigCommand(),
  displayCommand(),
  displayTestCommand(),
  listenCommand(),
  operatorCommand(),
  journalCommand(),
  replayCommand(),
  dashboardCommand(),
  exportCommand(),
  keysCommand(),
  analyseCommand(),
  facesCommand(),
  trainCommand(),
  evaluateCommand(),
  traverseCommand(),
  reconstructCommand(),
  doctorCommand(),
  linkTensorflowCommand(),
  paperCommand(),
]) {
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
