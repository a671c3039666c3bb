/** Units × latents: how much of each unit's tuning each latent carries. */
import { colour, el, panel, setText, sized } from "./dom.ts";
import { band, edge, line, plot } from "./plots.ts";
import type { Store } from "./store.ts";
import type { Page, View } from "./view.ts";
import { interval, percent } from "./words.ts";

const LEFT = 84;
const TOP = 58;
const RIGHT = 52;

/** Cividis, in steps: even to the eye, and the same to colour-blind ones (Nuñez et al. 2018). */
const ramp = [
  "#00224e",
  "#123570",
  "#3b496c",
  "#575d6d",
  "#707173",
  "#8a8678",
  "#a59c74",
  "#c3b369",
  "#e1cc55",
  "#fee838",
];

export function matrix(page: Page): View {
  const canvas = el("canvas", { id: "matrix", role: "img", tabIndex: 0, data: { title: "Alignment" } });
  const box = el("div", { className: "matrix-box" }, canvas);
  const told = el(
    "p",
    { className: "told", role: "status" },
    "Point at a cell, or move with the arrow keys, to read it; Enter opens the unit.",
  );
  const empty = el("p", { className: "empty" }, "Nothing is known yet: the first trials are on their way.");
  const legend = el("div", { className: "legend" }, "0 ", ...ramp.map((step) => swatch(step)), " 1");
  const score = el("span", { className: "value", id: "matrix-population" });
  const history = plot({
    title: "Population alignment over trials, with its 90 % interval",
    height: 220,
    x: "trial",
    y: "",
    series: [line("alignment", "curve"), edge("high"), edge("low")],
    bands: [band(2, 3, "band")],
    range: { y: [0, 1] },
  });
  const order = el(
    "select",
    { id: "matrix-order" },
    el("option", { value: "latent" }, "by best latent"),
    el("option", { value: "name" }, "as listed"),
    el("option", { value: "alignment" }, "by alignment"),
  );
  const element = el(
    "div",
    { className: "grid-matrix" },
    panel(
      "Share of the tuning that each latent carries",
      "heat",
      el("div", { className: "tools" }, el("label", {}, "Units ", order), legend),
      box,
      told,
      empty,
    ),
    panel(
      "Alignment of the population",
      "alignment",
      el("p", { className: "lead" }, score),
      el(
        "p",
        { className: "caption" },
        "0: every latent carries as much; 1: one latent a unit. Each unit counts by how much its tuning varies.",
      ),
      history.element,
    ),
  );

  let store: Store | null = null;
  let rows: number[] = [];
  let cell: { row: number; latent: number } | null = null;
  let drawn = "";
  let rowPx = 20;
  let columnPx = 40;

  function draw(): void {
    const session = store?.session;
    const estimates = store?.estimates;
    if (!session || !estimates) return;
    const key = `${estimates.serial} ${order.value} ${box.clientWidth} ${cell?.row} ${cell?.latent} ${colour("ink")}`;
    if (key === drawn) return;
    drawn = key;
    const { latents: D, shares, bestLatent, alignment } = estimates;
    rows = session.units.map((_, u) => u);
    if (order.value === "latent")
      rows.sort(
        (a, b) => bestLatent[a] - bestLatent[b] || shares[b * D + bestLatent[b]] - shares[a * D + bestLatent[a]],
      );
    if (order.value === "alignment") rows.sort((a, b) => alignment[b] - alignment[a]);
    rowPx = rows.length > 60 ? 8 : 20;
    const width = Math.max(box.clientWidth - 4, 420);
    columnPx = (width - LEFT - RIGHT) / D;
    const context = sized(canvas, width, TOP + rows.length * rowPx);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = colour("muted");
    session.latents.forEach((name, d) => {
      context.save();
      context.translate(LEFT + (d + 0.4) * columnPx, TOP - 8);
      context.rotate(-0.5);
      context.fillText(name.replaceAll("_", " "), 0, 0);
      context.restore();
    });
    rows.forEach((u, r) => {
      const y = TOP + r * rowPx;
      if (rowPx > 12) {
        context.fillStyle = colour("muted");
        context.fillText(session.units[u].name, 0, y + rowPx / 2, LEFT - 8);
      }
      for (let d = 0; d < D; d++) {
        context.fillStyle = ramp[Math.min(ramp.length - 1, Math.floor(shares[u * D + d] * ramp.length))];
        context.fillRect(LEFT + d * columnPx, y, columnPx - 1, rowPx - (rowPx > 12 ? 1 : 0));
      }
    });
    if (cell) {
      context.strokeStyle = colour("accent");
      context.lineWidth = 3;
      context.strokeRect(LEFT + cell.latent * columnPx, TOP + cell.row * rowPx, columnPx - 1, rowPx - 1);
    }
    canvas.ariaLabel = `Heat map of ${rows.length} units by ${D} latents: share of each unit's tuning`;
  }

  function point(row: number, latent: number): void {
    const session = store?.session;
    const estimates = store?.estimates;
    if (!session || !estimates) return;
    const at = {
      row: Math.min(Math.max(row, 0), rows.length - 1),
      latent: Math.min(Math.max(latent, 0), estimates.latents - 1),
    };
    cell = at;
    const u = rows[at.row];
    setText(
      told,
      `${session.units[u].name}, ${session.latents[at.latent]}: ${percent(estimates.shares[u * estimates.latents + at.latent])} of the tuning`,
    );
    draw();
  }
  canvas.onpointermove = ({ offsetX, offsetY }) => {
    if (offsetX >= LEFT && offsetY >= TOP)
      point(Math.floor((offsetY - TOP) / rowPx), Math.floor((offsetX - LEFT) / columnPx));
  };
  canvas.onclick = () => {
    if (cell && store?.session) page.openUnit(store.session.units[rows[cell.row]].name);
  };
  canvas.onkeydown = (event) => {
    const moves: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const move = moves[event.key];
    if (move) {
      event.preventDefault();
      point((cell?.row ?? 0) + move[0], (cell?.latent ?? 0) + move[1]);
    } else if (event.key === "Enter") canvas.click();
  };
  order.onchange = () => draw();

  let points = -1;
  return {
    element,
    themed: () => history.redraw(),
    update(latest) {
      store = latest;
      const isKnown = (latest.estimates?.trials ?? 0) > 0;
      box.hidden = told.hidden = legend.hidden = !isKnown;
      empty.hidden = isKnown;
      draw();
      setText(score, latest.estimates?.population ? interval(latest.estimates.population) : "–");
      const own = latest.series.filter(({ kind }) => kind === "alignment");
      if (own.length === points) return;
      points = own.length;
      history.set([
        own.map(({ trial }) => trial),
        own.map(({ value }) => value),
        own.map(({ high }) => high ?? null),
        own.map(({ low }) => low ?? null),
      ]);
    },
  };
}

function swatch(background: string): HTMLElement {
  const one = el("span", { className: "swatch" });
  one.style.background = background;
  return one;
}
