import { access, constants, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Command } from "commander";
import { Pull, Subscriber } from "zeromq";
import { type Heard, hear, nothingHeard, recordingSection, unitsHeard } from "../acquisition/listening.ts";
import { ConfigurationError, LostEdgeError } from "../failure.ts";
import { admitOnly, bindingWith, connectingWith, type Keys, readKeys } from "../security/curve.ts";
import { numberOption } from "./options.ts";

interface ListenOptions {
  seconds?: number;
  stream?: string;
  write?: string;
  pull: boolean;
  keys?: string;
}

const EVERY_MS = 1000;

/** `latentloop listen`: what a recording system sends, before an experiment names its units. */
export function listenCommand(): Command {
  return new Command("listen")
    .summary("Show what a recording system sends, and write the mapping of its units")
    .description(
      "Listen to a recording system: its streams, the rate of every unit, the edges on its digital lines.\n" +
        "Both formats are known by themselves. With --write, the recording section of an experiment file is written at the end.",
    )
    .argument("<address>", "ZeroMQ endpoint, as tcp://recording-pc:5556")
    .option("--seconds <s>", "for how long (default: until Ctrl-C)", numberOption("--seconds", { min: 0.1 }))
    .option("--stream <name>", "the stream to write, where there are several")
    .option("--write <file>", "write the units that were heard as YAML")
    .option("--pull", "bind, for senders that PUSH", false)
    .option("--keys <file>", "the key file, where what is sent is encrypted")
    .action(listen);
}

async function listen(address: string, options: ListenOptions): Promise<void> {
  if (options.write !== undefined) await checkWritable(options.write);
  const heard = nothingHeard();
  const keys = options.keys === undefined ? null : await readKeys(options.keys);
  const admission = keys && (await admitOnly(keys));
  const socket = await attach(address, options.pull, keys);
  const startMs = performance.now();
  const elapsedS = () => (performance.now() - startMs) / 1000;
  const end = () => socket.close();
  const timer = options.seconds === undefined ? undefined : setTimeout(end, 1000 * options.seconds);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);
  const live = process.stderr.isTTY
    ? setInterval(() => process.stderr.write(`\x1b[2J\x1b[H${table(heard, elapsedS())}\n`), EVERY_MS)
    : undefined;
  process.stderr.write(`listening to ${socket.lastEndpoint ?? address}; Ctrl-C ends it\n`);
  try {
    while (!socket.closed) hear(heard, await socket.receive());
  } catch (error) {
    if (!socket.closed) throw error;
  } finally {
    clearTimeout(timer);
    clearInterval(live);
    admission?.dispose();
  }
  process.stdout.write(`${table(heard, elapsedS())}\n`);
  if (options.write !== undefined) await write(heard, options.write, options);
}

/** Before the listening: whoever listened for minutes should not learn only then that it was for nothing. */
async function checkWritable(file: string): Promise<void> {
  try {
    const found = await stat(file).catch(() => null);
    if (found?.isDirectory()) throw new Error("it is a folder");
    await access(found ? file : dirname(file), constants.W_OK);
  } catch (error) {
    throw new ConfigurationError(
      `--write: expected a file that can be written, got ${file}: ${(error as Error).message}`,
    );
  }
}

async function write(heard: Heard, file: string, { stream: wanted, pull }: ListenOptions): Promise<void> {
  const streams = [...new Set(unitsHeard(heard).map(({ stream }) => stream))];
  if (streams.length === 0) throw new ConfigurationError("--write: expected spikes, heard none: nothing written");
  if (wanted !== undefined && !streams.includes(wanted))
    throw new ConfigurationError(
      `--stream: expected one of the streams with spikes (${streams.join(", ")}), got "${wanted}": nothing written`,
    );
  const section = recordingSection(heard, wanted === undefined ? streams : [wanted], pull);
  try {
    await writeFile(file, section);
  } catch (error) {
    process.stdout.write(section);
    throw new LostEdgeError(`--write: ${file} can't be written (${(error as Error).message}): what was heard is above`);
  }
  process.stderr.write(`written: ${file}; put it into your experiment file and name the units as you like\n`);
}

function table(heard: Heard, seconds: number): string {
  const rate = (n: number) => `${(n / seconds).toFixed(1).padStart(9)} /s`;
  const units = unitsHeard(heard);
  const label = ({ name, sortedId }: (typeof units)[number]) =>
    sortedId === null ? name : `${name} ${sortedId === 0 ? "unsorted" : `#${sortedId}`}`;
  const lines = [
    `${heard.messages} messages in ${seconds.toFixed(1)} s${heard.format ? `, format ${heard.format}` : ""}`,
  ];
  for (const [stream, sampleRate] of heard.streams) {
    lines.push(`stream "${stream}"${sampleRate === null ? "" : `, ${sampleRate} samples/s`}`);
    const own = units.filter((unit) => unit.stream === stream);
    const width = Math.max(0, ...own.map((unit) => label(unit).length));
    for (const unit of own)
      lines.push(`  ${label(unit).padEnd(width)} ${rate(unit.spikes)}  ${String(unit.spikes).padStart(8)} spikes`);
    for (const [key, edges] of heard.lines) {
      const [of, line] = key.split("\n");
      if (of === stream) lines.push(`  digital line ${line}: ${edges} edges`);
    }
  }
  for (const [reason, n] of Object.entries(heard.unread)) lines.push(`unreadable (${reason}): ${n} messages`);
  return lines.join("\n");
}

async function attach(address: string, pull: boolean, keys: Keys | null): Promise<Subscriber | Pull> {
  const unbounded = { receiveHighWaterMark: 0 };
  const socket = pull
    ? new Pull({ ...unbounded, ...bindingWith(keys) })
    : new Subscriber({ ...unbounded, ...connectingWith(keys) });
  try {
    if (socket instanceof Pull) await socket.bind(address);
    else {
      socket.connect(address);
      socket.subscribe();
    }
    return socket;
  } catch (error) {
    socket.close();
    throw new ConfigurationError(
      `address: expected a ZeroMQ address to ${pull ? "bind" : "connect to"}, as tcp://127.0.0.1:5556, got "${address}": ${(error as Error).message}`,
    );
  }
}
