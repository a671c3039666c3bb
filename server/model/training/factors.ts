import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Known factors of a set of images, by name, in the order of the images; undefined if the folder has no factors.csv. */
export async function readFactors(folder: string): Promise<Map<string, Float64Array> | undefined> {
  const file = join(folder, "factors.csv");
  if (!existsSync(file)) return undefined;
  const [header, ...lines] = (await readFile(file, "utf8")).trim().split("\n");
  const rows = lines.map((line) => line.split(","));
  const names = header.split(",").slice(1);
  return new Map(names.map((name, i) => [name, Float64Array.from(rows, (row) => Number(row[i + 1]))]));
}
