import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Files of a model's folder that are for readers alone, or for going on with its training. */
const FOR_READERS = /\.(md|png|jpe?g|gif|svg|txt|html)$|^checkpoint\.bin$/i;

/** SHA-256 of a model: of the names and contents of all files in its folder of which the networks may be made. */
export async function modelDigest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith(".") && !FOR_READERS.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  for (const file of files) {
    const own = createHash("sha256");
    for await (const chunk of createReadStream(join(folder, file))) own.update(chunk as Buffer);
    hash.update(JSON.stringify([file.replaceAll("\\", "/"), own.digest("hex")]));
  }
  return hash.digest("hex");
}
