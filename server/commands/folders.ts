/** Folders that commands write their results into. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "../failure.ts";
import { journalFileName } from "../session/journal.ts";

/** @throws ConfigurationError where the folder can't be made */
export async function makeFolder(option: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`${option}: expected a folder that can be made, found ${folder} (${error.code})`);
  });
}

interface Owner {
  /** The results' file, JSON, whose field names what they are of; and that name. */
  file: string;
  field: string;
  own: string;
  /** What may be there, in words. */
  expected: string;
  /** Files that may be there before the results are. */
  passedOver?: readonly string[];
}

/** @throws ConfigurationError where --out holds the results of something else, a session, or anything, which might be written over */
export async function expectOwnFolder(folder: string, owner: Owner): Promise<void> {
  const found = existsSync(join(folder, journalFileName(0))) ? "a session" : await ownerOf(folder, owner);
  if (found !== null && found !== owner.own)
    throw new ConfigurationError(`--out ${folder}: expected a new folder or ${owner.expected}, found ${found}`);
}

/** What a folder's results are of; in words where they are of nothing that is named; null where there is nothing. */
async function ownerOf(folder: string, { file, field, passedOver = [] }: Owner): Promise<string | null> {
  const text = await readFile(join(folder, file), "utf8").catch(() => null);
  if (text === null) {
    const files = await readdir(folder).catch(() => []);
    const other = files.find((name) => !passedOver.includes(name));
    return other === undefined ? null : `${other} in it`;
  }
  try {
    return String(JSON.parse(text)[field] ?? "one that does not say of what");
  } catch {
    return `a ${file} that is none`;
  }
}
