import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "../../server/failure.ts";
import type { CellResult } from "./cell.ts";

export const RESULTS_FILE = "results.jsonl";

/** The results of a study's sessions on disk, one line each, by key: what is there already need not be run again. */
export interface Store {
  results: Map<string, CellResult>;
  keep(key: string, result: CellResult): Promise<void>;
  close(): Promise<void>;
}

/** @throws ConfigurationError if the folder can't be made or written */
export async function openStore(folder: string): Promise<Store> {
  const path = join(folder, RESULTS_FILE);
  const results = new Map<string, CellResult>();
  let file: FileHandle;
  try {
    await mkdir(folder, { recursive: true });
    const text = existsSync(path) ? await readFile(path, "utf8") : "";
    for (const line of text.split("\n")) {
      // A line that a killed study left half written ends in the middle, and its session is run again.
      const entry = parseLine(line);
      if (entry) results.set(entry.key, entry.result);
    }
    file = await open(path, "a");
    if (text !== "" && !text.endsWith("\n")) await file.write("\n");
  } catch (error) {
    throw new ConfigurationError(`--out ${folder}: expected a folder to write to, ${(error as Error).message}`);
  }
  // One line after the other: two workers may end at once.
  let written: Promise<unknown> = Promise.resolve();
  return {
    results,
    async keep(key, result) {
      results.set(key, result);
      written = written.then(() => file.appendFile(`${JSON.stringify({ key, result })}\n`));
      await written;
    },
    close: () => file.close(),
  };
}

function parseLine(line: string): { key: string; result: CellResult } | null {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
