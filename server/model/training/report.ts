import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createDecoder } from "../decoder.ts";
import type { ModelFolder } from "../model-folder.ts";
import { escaped, rgbOf, sheet, traversals } from "../sheet.ts";
import type { History } from "./checkpoint.ts";
import type { ImageSet } from "./images.ts";

/** Held-out images shown beside their reconstructions. */
const shown = 10;

/**
 * Writes report.html into the model's folder, a page that needs nothing else: loss curves, KL of each latent over training,
 * reconstructions of `held` images, traversals, what each latent is used for, and factors against latents where factors are
 * known. Decodes on the current backend.
 */
export async function writeReport(
  model: ModelFolder,
  history: History,
  images: ImageSet,
  held: Uint32Array,
): Promise<void> {
  const { card } = model;
  const { width, height } = card.image;
  const decoder = createDecoder(model);
  const some = held.subarray(0, shown);
  const length = width * height * images.channels;
  const originals = Array.from(some, (i) => coloured(images, images.pixels.subarray(i * length, (i + 1) * length)));
  const { mean } = await decoder.encode(rgba(originals, width * height));
  const back = await decoder.decode(mean);
  const moves = await traversals(decoder.decode, card.latents.count, width * height);
  decoder.dispose();
  const zoom = Math.max(1, Math.round(96 / width));
  const reconstructions = await sheet(
    [originals, originals.map((_, i) => rgbOf(back, i, width * height))],
    card.image,
    zoom,
    ["held out", "rebuilt"],
  );
  const names = card.latents.each.map(({ name }) => name);
  const made = card.made as { command?: string; steps?: number; minutes?: number; measures?: Measures };
  const finite = <T>(pick: (entry: History[number]) => T | undefined) =>
    history.flatMap((entry) => {
      const value = pick(entry);
      return value === undefined ? [] : [{ step: entry.step, value: value as number }];
    });
  const body = [
    `<h1>${escaped(card.name)}</h1>`,
    `<p><code>${escaped(made.command ?? "")}</code></p>`,
    `<p>${made.steps} steps in ${made.minutes} minutes. On ${made.measures?.heldOutImages} held-out images: PSNR ` +
      `${made.measures?.psnrDb} dB, ${made.measures?.active} of ${card.latents.count} latents active.</p>`,
    "<h2>Loss</h2>",
    chart(
      "−log p(x|z), nats an image: batches (line), held out (dots)",
      [finite((h) => h.nll)],
      finite((h) => h.heldOutNll),
    ),
    chart("β", [finite((h) => h.beta)]),
    "<h2>KL of each latent, nats</h2>",
    chart(
      "in the order that training knows them",
      card.latents.each.map((_, l) => finite((h) => h.kl[l])),
    ),
    "<h2>Reconstructions</h2>",
    picture(reconstructions),
    "<h2>Traversals</h2><p>Each row moves one latent from −3 to 3, the others at 0.</p>",
    picture(await sheet(moves, card.image, zoom, names)),
    "<h2>Latents on held-out images</h2>",
    table(
      ["latent", "KL, nats", "mean", "sd", "1 %", "99 %"],
      card.latents.each.map(({ name, klNats, mean, sd, low, high }) => [
        name,
        ...[klNats, mean, sd, low, high].map((value) => value.toFixed(2)),
      ]),
    ),
    ...(Object.keys(made.measures?.absoluteSpearman ?? {}).length > 0
      ? [
          "<h2>Factors and latents</h2><p>|Spearman's ρ| on held-out images.</p>",
          table(
            ["factor", ...names],
            Object.entries(made.measures?.absoluteSpearman ?? {}).map(([factor, row]) => [factor, ...row]),
          ),
        ]
      : []),
  ];
  await writeFile(join(model.folder, "report.html"), `${page(card.name, body.join("\n"))}\n`);
}

interface Measures {
  heldOutImages: number;
  psnrDb: number;
  active: number;
  absoluteSpearman: Record<string, number[]>;
}

type Series = { step: number; value: number }[];

/** An SVG of lines and dots over steps; the vertical axis spans what is there after the first twentieth of training. */
function chart(title: string, lines: Series[], dots: Series = []): string {
  const [width, height, left, bottom] = [760, 220, 60, 20];
  const all = [...lines.flat(), ...dots];
  const last = Math.max(1, ...all.map(({ step }) => step));
  const settled = all.filter(({ step }) => step > last / 20).map(({ value }) => value);
  const low = Math.min(...settled);
  const high = Math.max(...settled, low + 1e-9);
  const x = (step: number) => left + (step / last) * (width - left - 10);
  const y = (value: number) => 8 + (1 - (Math.min(value, high) - low) / (high - low)) * (height - bottom - 16);
  const hue = (i: number) => `hsl(${Math.round((360 * i) / lines.length)} 60% 45%)`;
  return [
    `<figure><svg viewBox="0 0 ${width} ${height}" width="${width}">`,
    `<text x="4" y="14">${high.toPrecision(4)}</text><text x="4" y="${height - bottom - 4}">${low.toPrecision(4)}</text>`,
    `<text x="${left}" y="${height - 4}">0</text><text x="${width - 10}" y="${height - 4}" text-anchor="end">step ${last}</text>`,
    ...lines.map((series, i) => {
      const points = series.map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      return `<polyline points="${points}" fill="none" stroke="${hue(i)}"/>`;
    }),
    ...dots.map(({ step, value }) => `<circle cx="${x(step).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3"/>`),
    `</svg><figcaption>${escaped(title)}</figcaption></figure>`,
  ].join("");
}

/** Numbers from 0 to 1 are shaded by their size. */
function table(head: string[], rows: (string | number)[][]): string {
  const cell = (value: string | number) =>
    typeof value === "number"
      ? `<td style="background:rgb(30 90 200 / ${(value * 0.8).toFixed(2)})">${value.toFixed(2)}</td>`
      : `<td>${escaped(value)}</td>`;
  const line = (cells: string) => `<tr>${cells}</tr>`;
  return `<table>${line(head.map((name) => `<th>${escaped(name)}</th>`).join(""))}${rows
    .map((row) => line(row.map(cell).join("")))
    .join("")}</table>`;
}

const picture = (png: Buffer) => `<img alt="" src="data:image/png;base64,${png.toString("base64")}">`;

const page = (title: string, body: string) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}svg text{font-size:11px}
table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .5rem;text-align:right}figure{margin:0 0 1rem}
img{max-width:100%}code{overflow-wrap:anywhere}</style>
${body}
</html>`;

const coloured = ({ channels }: ImageSet, picture: Uint8Array): Uint8Array =>
  channels === 3 ? picture : Uint8Array.from({ length: 3 * picture.length }, (_, i) => picture[Math.floor(i / 3)]);

function rgba(pictures: readonly Uint8Array[], pixels: number): Uint8Array {
  const bytes = new Uint8Array(pictures.length * pixels * 4).fill(255);
  for (const [i, picture] of pictures.entries()) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      bytes.set(picture.subarray(pixel * 3, pixel * 3 + 3), (i * pixels + pixel) * 4);
    }
  }
  return bytes;
}
