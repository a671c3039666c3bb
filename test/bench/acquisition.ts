import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { openAcquisition } from "../../server/acquisition/acquisition.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import { compiledModule } from "../../server/package-root.ts";

export interface AcquisitionBench {
  /** Through Open Ephys messages, one spike of 40 samples each. */
  openEphysSpikesPerS: number;
  /** Processor time of the receiving process (its ZeroMQ thread included), in microseconds a spike. */
  openEphysCpuUsPerSpike: number;
  openEphysLostMessages: number;
  /** Through our own `counts` messages, 100 units × 10 bins of u16 each. */
  countsPerS: number;
  countsLostMessages: number;
}

export interface BenchStream {
  format: "latentloop" | "open-ephys";
  units: string[];
  spikes: number;
  countMessages: number;
  bins: number;
}

const units = Array.from({ length: 100 }, (_, i) => `Electrode ${i + 1}`);
const size = { units, spikes: 200_000, countMessages: 20_000, bins: 10 };
const TIMEOUT_MS = 60_000;

/**
 * How fast messages come from a socket, on which another process sends as fast as it can, to acquisition's events.
 * Runs from the compiled tree (`dist/`), since its sender is a process.
 */
export async function benchAcquisition(): Promise<AcquisitionBench> {
  const spikes = await passThrough({ ...size, format: "open-ephys" });
  const counts = await passThrough({ ...size, format: "latentloop" });
  return {
    openEphysSpikesPerS: size.spikes / spikes.seconds,
    openEphysCpuUsPerSpike: (1e6 * spikes.cpuSeconds) / size.spikes,
    openEphysLostMessages: spikes.lost,
    countsPerS: (size.countMessages * size.bins * units.length) / counts.seconds,
    countsLostMessages: counts.lost,
  };
}

async function passThrough(stream: BenchStream): Promise<{ seconds: number; cpuSeconds: number; lost: number }> {
  const sender = fork(compiledModule("test/bench/acquisition-sender.js"), [JSON.stringify(stream)]);
  const [{ address, messages }] = (await once(sender, "message")) as [{ address: string; messages: number }];
  const roster = createRoster(units.map((name) => ({ name })));
  const acquisition = await openAcquisition({ address, socket: "sub", format: stream.format, roster, streams: [] });
  await new Promise<void>((resolve) => acquisition.events$.subscribe((event) => event.type === "link" && resolve()));
  // The handshake is done before the subscription has reached the publisher.
  await sleep(200);
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  sender.send("send");
  while (acquisition.counts().messages < messages && performance.now() - startMs < TIMEOUT_MS) await sleep(10);
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = process.cpuUsage(startCpu);
  const lost = messages - acquisition.counts().messages + acquisition.counts().lostMessages;
  acquisition.dispose();
  sender.disconnect();
  return { seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6, lost };
}
