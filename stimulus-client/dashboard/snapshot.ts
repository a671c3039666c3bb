/** What is seen now, to keep: the plots of the view as one PNG, the estimates of all units as JSON. */
import { colour } from "./dom.ts";
import { curveOf, type Store } from "./store.ts";

const MARGIN = 24;
const LINE = 22;

export function saveSnapshot(view: HTMLElement, store: Store): void {
  const { session, now } = store;
  if (!session || !now) return;
  const name = `${session.name}-trial-${now.trials.closed}`;
  picture(
    view,
    `${session.name} · trial ${now.trials.closed} of ${now.trials.planned} · ${new Date(now.serverMs).toISOString()}`,
  ).toBlob((blob) => {
    if (blob) download(`${name}.png`, blob);
  }, "image/png");
  download(
    `${name}.json`,
    new Blob([`${JSON.stringify(estimatesOf(store), null, 2)}\n`], { type: "application/json" }),
  );
}

/** All canvases in sight, where they are, with the headings beside them. */
function picture(view: HTMLElement, title: string): HTMLCanvasElement {
  const ratio = window.devicePixelRatio;
  const frame = view.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  canvas.width = (frame.width + 2 * MARGIN) * ratio;
  canvas.height = (view.scrollHeight + 2 * MARGIN + LINE) * ratio;
  const context = canvas.getContext("2d")!;
  context.scale(ratio, ratio);
  context.fillStyle = colour("surface");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = colour("ink");
  context.font = "600 15px system-ui, sans-serif";
  context.fillText(title, MARGIN, MARGIN + 8);
  const place = (element: Element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return { x: MARGIN + left - frame.left, y: MARGIN + LINE + top - frame.top + view.scrollTop, width, height };
  };
  context.imageSmoothingEnabled = false;
  for (const one of view.querySelectorAll("canvas")) {
    const { x, y, width, height } = place(one);
    if (width > 0 && height > 0 && one.width > 0 && one.height > 0) context.drawImage(one, x, y, width, height);
  }
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "top";
  for (const one of view.querySelectorAll<HTMLElement>(
    "h1, h2, h3, figcaption, .lead, .cell.name, .cell.latent, .latent-head b",
  )) {
    const { x, y, width, height } = place(one);
    if (width > 0 && height > 0) context.fillText(one.firstChild?.textContent ?? "", x, y);
  }
  return canvas;
}

function estimatesOf({ session, now, estimates }: Store) {
  return {
    session: session!.folder,
    experiment: session!.name,
    serverMs: now!.serverMs,
    trials: now!.trials,
    tunables: now!.tunables,
    latents: session!.latents,
    grid: session!.grid,
    population: estimates?.population ?? null,
    units: estimates
      ? session!.units.map(({ name, mapping }, u) => ({
          unit: name,
          mapping,
          bestLatent: session!.latents[estimates.bestLatent[u]],
          codesBest: estimates.codesBest[u],
          several: estimates.several[u],
          none: estimates.none[u],
          alignment: estimates.alignment[u],
          baselineHz: estimates.baselineHz[u],
          trials: estimates.learned[u],
          warning: estimates.warnings[u],
          shares: [...estimates.shares.subarray(u * estimates.latents, (u + 1) * estimates.latents)],
          curves: session!.latents.map((latent, d) => {
            const { rate, low, high } = curveOf(estimates, u, d);
            return { latent, rateHz: [...rate], lowHz: [...low], highHz: [...high] };
          }),
        }))
      : [],
  };
}

function download(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
