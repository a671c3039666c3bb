/** The simulated rig as a process of its own; its options come as the first message from the command that forks it. */
import { once } from "node:events";
import { random } from "../../server/random.ts";
import { admitOnly, readKeys } from "../../server/security/curve.ts";
import { createPopulation, type Population } from "../neurons/unit.ts";
import { runSimulatedRig } from "./simulated.ts";

export interface RigProcessOptions {
  population: Population;
  /** Of its units; null: sim-01, sim-02 … */
  names: readonly string[] | null;
  latents: number;
  seed: number;
  events: string;
  bind: string;
  format: "latentloop" | "open-ephys";
  photodiode: { line: number } | null;
  /** File of the keys; null: nothing is encrypted. */
  keys: string | null;
}

/** What it tells its parent once it is there. */
export interface RigProcessMessage {
  address: string;
  /** Server time at the stream's time 0: for measurements only, a real rig does not tell. */
  originMs: number;
}

const [options] = (await once(process, "message")) as [RigProcessOptions];
const keys = options.keys === null ? null : await readKeys(options.keys);
if (keys) await admitOnly(keys);
const root = random(options.seed);
const rig = await runSimulatedRig({
  ...options,
  keys,
  adaptation: options.population.adaptation,
  units: createPopulation(options.population, options.latents, root.split("population"), options.names),
  transport: options.population.transport,
  random: root.split("brain"),
});
process.send?.({ address: rig.address, originMs: rig.originMs } satisfies RigProcessMessage);
// Ctrl-C reaches the whole group of processes; the session's end, not the signal, ends the rig.
process.on("SIGINT", () => {});
process.on("disconnect", () => rig.dispose());
await rig.ended;
process.exit(0);
