/** The simulated rig in a process of its own, with units that fire at a steady rate; tells its processor time when asked. */
import { random } from "../../server/random.ts";
import type { SimulatedUnit } from "../../sim/neurons/unit.ts";
import { runSimulatedRig, type SimulatedRigOptions } from "../../sim/rig/simulated.ts";

export interface RigBench {
  units: number;
  rateHz: number;
  format: SimulatedRigOptions["format"];
  events: string;
}

const { units, rateHz, format, events } = JSON.parse(process.argv[2]) as RigBench;
const rig = await runSimulatedRig({
  units: Array.from({ length: units }, (_, u): SimulatedUnit => {
    const name = `sim-${u + 1}`;
    return {
      name,
      kind: "ramp",
      tunedTo: [0],
      rateHz: () => rateHz,
      spontaneousHz: rateHz,
      latencyMs: 80,
      refractoryMs: 0,
    };
  }),
  events,
  bind: "tcp://127.0.0.1:*",
  format,
  random: random(1),
  photodiode: null,
});
process.send?.({ address: rig.address, originMs: rig.originMs });
process.on("message", () => process.send?.(process.cpuUsage()));
process.once("disconnect", () => process.exit());
