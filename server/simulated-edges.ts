/** The processes that stand in for a rig: a recording system with simulated neurons, and a display without a screen. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Experiment } from "../protocols/experiment.ts";
import type { DisplayProcessOptions } from "../sim/display/main.ts";
import { standInNames } from "../sim/neurons/unit.ts";
import type { RigProcessMessage, RigProcessOptions } from "../sim/rig/main.ts";
import { LostEdgeError } from "./failure.ts";
import { compiledModule } from "./package-root.ts";

export interface ForkedProcess {
  dispose(): Promise<void>;
}

/**
 * Starts the simulated rig; it finds out what is on the screen from the public events alone.
 *
 * @param keys file of the keys, which no other process is shown; null: nothing is encrypted
 * @param failed called if it dies while it is needed
 */
export async function forkSimulatedRig(
  experiment: Experiment,
  events: string,
  format: RigProcessOptions["format"],
  keys: string | null,
  failed: (error: Error) => void,
): Promise<ForkedProcess & { address: string; originMs: number }> {
  const { simulation, latents, seed, alignment } = experiment;
  const options: RigProcessOptions = {
    population: simulation ?? {},
    names: standInNames(experiment),
    latents,
    seed,
    events,
    bind: "tcp://127.0.0.1:*",
    format,
    photodiode: alignment.method === "photodiode" ? { line: alignment.line } : null,
    keys,
  };
  const child = forkModule("sim/rig/main.js");
  // Not as an argument, which a large population would be too long for.
  child.send(options);
  const { address, originMs } = await new Promise<RigProcessMessage>((resolve, reject) => {
    child.once("message", (message) => resolve(message as RigProcessMessage));
    child.once("exit", (code) => reject(new Error(`the simulated rig ended with code ${code} before it began`)));
  });
  return { address, originMs, dispose: watch(child, "the simulated rig", failed) };
}

export interface HeadlessDisplayProcess extends ForkedProcess {
  /** Lets it come, once there is someone to attend it. */
  connect(options: DisplayProcessOptions): void;
}

/**
 * Starts a display without a screen.
 *
 * @param failed called if it dies while it is needed: nobody else will start it
 */
export function forkHeadlessDisplay(failed: (error: Error) => void): HeadlessDisplayProcess {
  const child = forkModule("sim/display/main.js");
  return {
    // Not as arguments, which other users can see. Of one that has died by now `failed` was told.
    connect: (options) => child.send(options, () => {}),
    dispose: watch(child, "the headless display", failed),
  };
}

/** Tells of an end that comes before `dispose`, which is what is given back. */
function watch(child: ChildProcess, name: string, failed: (error: Error) => void): () => Promise<void> {
  const died = (code: number | null, signal: string | null) =>
    failed(new LostEdgeError(`${name} ended in the middle of the session (${signal ?? `code ${code}`})`));
  child.on("exit", died);
  return () => {
    child.off("exit", died);
    return end(child);
  };
}

const forkModule = (path: string): ChildProcess =>
  fork(fileURLToPath(compiledModule(path)), { stdio: ["ignore", "ignore", "inherit", "ipc"] });

/** Time a process has to leave by itself once its parent lets go. */
const LEAVE_MS = 2000;

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const left = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  if (child.connected) child.disconnect();
  const killed = setTimeout(() => child.kill("SIGKILL"), LEAVE_MS);
  await left;
  clearTimeout(killed);
}
