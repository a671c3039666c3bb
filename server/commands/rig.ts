import { Command, Option } from "commander";
import { countBlocks } from "../../sim/rig/open-ephys/blocks.ts";
import { type Fault, faults } from "../../sim/rig/open-ephys/faults.ts";
import { openPlayer } from "../../sim/rig/open-ephys/player.ts";
import { readRecording } from "../../sim/rig/open-ephys/recording.ts";
import { numberOption } from "./options.ts";
import { createProgress } from "./progress.ts";

interface RigOptions {
  replay: string;
  bind: string;
  speed: number;
  wait: number;
  loop?: boolean;
  stream?: string;
  fault: Fault[];
}

const speed = numberOption("--speed (or max)", { min: 0 });

/** `latentloop rig`: plays a recording over ZeroMQ as the Open Ephys GUI would send it. */
export function rigCommand(): Command {
  return new Command("rig")
    .description("Play an Open Ephys recording over ZeroMQ exactly as the GUI's ZMQ Interface sends it live")
    .requiredOption("--replay <folder>", "recording in Open Ephys' Binary format, or a folder above one")
    .option("--bind <address>", "where to publish; heartbeats are answered on the next port", "tcp://127.0.0.1:5556")
    .option(
      "--speed <times>",
      "times real time; max (or 0): as fast as the subscriber takes it",
      (text) => (text === "max" ? 0 : speed(text)),
      1,
    )
    .option("--wait <seconds>", "how long to wait for the first subscriber", numberOption("--wait", { min: 0 }), 60)
    .option("--stream <name>", "stream to play (default: the first one with spikes)")
    .addOption(
      new Option("--fault <names...>", "put faults on the way, to see what a session makes of them")
        .choices([...faults])
        .default([]),
    )
    .option("--loop", "begin again at the end, with sample numbers that go on")
    .addHelpText(
      "after",
      `
Every spike and TTL event is sent once, at its place in time; nothing is sent before a
subscriber is there, and nothing is dropped where it is slow.

Examples:
  $ npx latentloop rig --replay "Record Node 105/experiment1/recording1"
  $ npx latentloop rig --replay recording --speed max --bind tcp://127.0.0.1:5600`,
    )
    .action(replay);
}

async function replay(options: RigOptions): Promise<void> {
  const recording = await readRecording(options.replay, options.stream ?? null);
  const player = await openPlayer({
    recording,
    bind: options.bind,
    speed: options.speed === 0 ? Number.POSITIVE_INFINITY : options.speed,
    loop: options.loop === true,
    waitS: options.wait,
    faults: options.fault,
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => player.dispose());
  const blocks = countBlocks(recording);
  const { stream, sampleRate, electrodes, otherStreams } = recording;
  say(
    `${recording.folder}: stream "${stream}", ${sampleRate} Hz, ${electrodes.length} electrodes: ${electrodes.join(", ")}`,
  );
  if (otherStreams.length > 0) say(`streams left out: ${otherStreams.join(", ")}`);
  say(`publishing at ${player.address}; waiting up to ${options.wait} s for a subscriber; Ctrl-C ends it`);
  const progress = createProgress("blocks", blocks);
  const played = await player
    .play(({ blocks: done, spikes }) => {
      const pass = Math.ceil(done / blocks);
      progress.update(done - (pass - 1) * blocks, `${spikes} spikes${options.loop ? `, pass ${pass}` : ""}`);
    })
    .finally(() => progress.stop());
  say(`played ${played.spikes} spikes and ${played.ttlEvents} TTL events in ${played.blocks} blocks`);
  if (played.unheard > 0) say(`the subscriber had gone: ${played.unheard} of them were sent to nobody`);
}

const say = (line: string): boolean => process.stderr.write(`${line}\n`);
