/**
 * `node dist/test/bench/latent-factors.js [model]`: the table of sim/faces/latent-factors.ts, or that of another model, as JSON on stdout. Of faces-64 its
 * numbers, to within 0.012, are those that ship, which were found by plain least squares and rounded to 0.01.
 */
import { modelDigest } from "../../server/model/digest.ts";
import { bundledModel, readCard } from "../../server/model/model-folder.ts";
import { findLatentFactors } from "../../sim/faces/model-factors.ts";

const folder = bundledModel(process.argv[2] ?? "faces-64");
const { card } = await readCard(folder);
const table = await findLatentFactors({ folder, card, digest: await modelDigest(folder) }, (words) =>
  process.stderr.write(`${words}\n`),
);
process.stdout.write(`${JSON.stringify(table)}\n`);
