import { Command } from "commander";
import { ConfigurationError } from "../failure.ts";
import { readJournal, sessionFolder } from "../session/journal-reader.ts";

/** `latentloop journal`: a session's journal as lines of JSON. */
export function journalCommand(): Command {
  return new Command("journal")
    .summary("Print a session's journal as JSON lines")
    .description("Print a session's journal, one JSON object a record; arrays of bytes become arrays of numbers.")
    .argument("<session>", "a session's folder")
    .option("--kind <kind>", "only records of this kind: session, model, spikes, choice, presentation, trial …")
    .action(async (folder: string, { kind }: { kind?: string }) => {
      const { records, end } = await readJournal(sessionFolder(folder));
      if (kind && !records.some((record) => record.kind === kind)) {
        const kinds = [...new Set(records.map((record) => record.kind))].join(", ");
        throw new ConfigurationError(`--kind: expected one of the journal's kinds (${kinds}), got "${kind}"`);
      }
      for (const record of records)
        if (!kind || record.kind === kind) process.stdout.write(`${JSON.stringify(readable(record))}\n`);
      if (!end.torn) return;
      process.stderr.write(`the journal ends early: ${end.torn}\n`);
      process.exitCode = 1;
    });
}

const arrays: Record<string, (bytes: ArrayBuffer) => ArrayLike<number>> = {
  F64: (bytes) => new Float64Array(bytes),
  U32: (bytes) => new Uint32Array(bytes),
  U16: (bytes) => new Uint16Array(bytes),
};

/** Typed arrays travel as bytes with their type at the end of the key: latentsF64 becomes latents. */
function readable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readable);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const read = arrays[key.slice(-3)];
      if (!read || !(item instanceof Uint8Array)) return [key, readable(item)];
      return [key.slice(0, -3), Array.from(read(new Uint8Array(item).buffer))];
    }),
  );
}
