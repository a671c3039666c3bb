/**
 * `node dist/test/bench/latent-factors.js [model]`: the factors of the rendered heads in a model's latents (faces-64's, whose table
 * ships in sim/faces/latent-factors.ts), as JSON on stdout.
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
