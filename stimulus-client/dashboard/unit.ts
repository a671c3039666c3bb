/** One unit at large: curves with the counts behind them, its axis and peak as faces, raster and histogram about the onset. */
import type { DashboardInterval, UnitMessage } from "../../protocols/wire/dashboard.ts";
import { float32, uint16 } from "./arrays.ts";
import { colour, el, panel, setText, sized } from "./dom.ts";
import { faceView } from "./faces.ts";
import { band, dots, edge, line, type Plot, plot } from "./plots.ts";
import { curveOf, type Store } from "./store.ts";
import type { Page, View } from "./view.ts";
import { fixed, interval, percent } from "./words.ts";

const BINS = 7;
const HISTOGRAM_MS = 20;

export function unitPage(page: Page): View & { look(unit: string): void } {
  let unit: string | null = null;
  const title = el("h1", { id: "unit-name" });
  const mapping = el("span", { className: "label" });
  const back = el("button", { type: "button", onclick: () => page.open("units") }, "All units");
  const before = el("button", { type: "button", title: "[" }, "Previous");
  const after = el("button", { type: "button", title: "]" }, "Next");
  const exclude = el("button", { type: "button", id: "unit-exclude" }, "Exclude");
  const reset = el(
    "button",
    { type: "button", title: "It was sorted anew: what was learned of it is forgotten" },
    "Forget…",
  );
  const warning = el("p", { className: "warning-line" });
  const facts = el("dl", { className: "facts" });
  const curves = el("div", { className: "curves" });
  let panels: { chart: Plot; head: HTMLElement }[] = [];
  const strip = Array.from({ length: 7 }, () => stop());
  const peak = stop();
  const axisWords = el("p", { className: "caption" });
  const raster = el("canvas", { role: "img", data: { title: "Raster" } });
  const rasterBox = el("div", { className: "raster" }, raster);
  let shade: [number, number] = [0, 0];
  const histogram = plot({
    title: "Rate about the onset, spikes/s, with the response window",
    height: 140,
    x: "ms from onset",
    y: "",
    series: [{ ...line("rate", "curve"), fill: () => colour("band") }],
    range: { x: [-100, 700] },
    hooks: {
      drawClear: [
        (chart) => {
          const [from, to] = shade.map((ms) => chart.valToPos(ms, "x", true));
          chart.ctx.fillStyle = colour("window");
          chart.ctx.fillRect(from, chart.bbox.top, to - from, chart.bbox.height);
        },
      ],
    },
  });
  const latency = el("input", { type: "number", min: "0", step: "5", id: "window-latency" });
  const width = el("input", { type: "number", min: "5", step: "5", id: "window-width" });
  const apply = el("button", { type: "submit", id: "window-apply" }, "Set the window");
  const form = el(
    "form",
    { className: "tools", ariaLabel: "Response window" },
    el("label", {}, "from ", latency, " ms"),
    el("label", {}, "for ", width, " ms"),
    apply,
  );
  let edited = false;
  form.oninput = () => {
    edited = true;
    shade = [latency.valueAsNumber, latency.valueAsNumber + width.valueAsNumber];
    histogram.redraw();
    drawnRaster = "";
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    edited = false;
    const window = { latencyMs: latency.valueAsNumber, windowMs: width.valueAsNumber };
    void page.command({ op: "change", change: { window } }, "The window will be another one after the next trial");
  };
  const waiting = el("p", { className: "empty" }, "What is known of this unit is on its way.");
  const body = el(
    "div",
    { className: "grid-unit" },
    panel(
      "Rate along each latent, spikes/s",
      "unit-curves",
      curves,
      el(
        "p",
        { className: "caption" },
        "Line and band: the estimate at the average face and its 90 % interval. Points: mean rate of the trials by this latent's value, the other latents as they came.",
      ),
    ),
    el(
      "div",
      { className: "stack" },
      panel("What is known", "known", warning, facts),
      panel("Response about the onset", "onset", rasterBox, histogram.element, form),
    ),
    panel(
      "Preferred axis, from −3 to 3, and the best face",
      "axis",
      el(
        "div",
        { className: "strip" },
        ...strip.map(({ element }) => element),
        el("div", { className: "peak" }, peak.element),
      ),
      axisWords,
    ),
  );
  const element = el(
    "div",
    { className: "view-unit" },
    el(
      "div",
      { className: "tools" },
      back,
      title,
      mapping,
      el("span", { className: "push" }),
      before,
      after,
      exclude,
      reset,
    ),
    waiting,
    body,
  );

  let store: Store | null = null;
  let drawn: UnitMessage | null = null;
  let drawnCurves = "";
  let drawnRaster = "";
  const index = () => store?.session?.units.findIndex(({ name }) => name === unit) ?? -1;
  const step = (by: number) => () => {
    const all = store!.session!.units;
    page.openUnit(all[(index() + by + all.length) % all.length].name);
  };
  before.onclick = step(-1);
  after.onclick = step(1);
  exclude.onclick = () => {
    const excluded = store!.now!.excluded.includes(unit!);
    void page.command(
      { op: excluded ? "include" : "exclude", unit: unit! },
      `${unit} ${excluded ? "counts again" : "no longer counts in choices"}`,
    );
  };
  let sure = false;
  reset.onclick = () => {
    if (!sure) {
      sure = true;
      setText(reset, "Forget: sure?");
      setTimeout(() => {
        sure = false;
        setText(reset, "Forget…");
      }, 4000);
      return;
    }
    void page.command({ op: "reset", unit: unit! }, `What was known of ${unit} is forgotten`);
  };

  function drawCurves({ session, estimates, unit: message }: Store): void {
    const u = index();
    if (!session || !estimates || u < 0) return;
    if (panels.length !== session.latents.length) {
      panels = session.latents.map((name) => latentPanel(name));
      curves.replaceChildren(
        ...panels.map(({ chart, head }) => el("div", { className: "curve" }, head, chart.element)),
      );
    }
    const own = message?.unit === unit ? message : null;
    const key = `${unit} ${estimates.serial} ${own?.trials}`;
    if (drawnCurves === key) return;
    drawnCurves = key;
    const faces = own && float32(own.facesF32);
    const rates = own && float32(own.ratesF32);
    const D = session.latents.length;
    const all = session.latents.map((_, d) => ({
      ...curveOf(estimates, u, d),
      means: faces && rates ? meansBy(faces, rates, D, d, session.range) : [],
    }));
    const top = Math.max(
      ...all.flatMap(({ high, means }) => [
        ...high.filter((_, i) => i > 1 && i < high.length - 2),
        ...means.map(({ mean }) => mean),
      ]),
      1,
    );
    all.forEach(({ rate, low, high, means }, d) => {
      const x = [...new Set([...session.grid, ...means.map(({ at }) => at)])].sort((a, b) => a - b);
      const on = (values: Float32Array) =>
        x.map((v) => (session.grid.includes(v) ? values[session.grid.indexOf(v)] : null));
      const mean = x.map((v) => means.find(({ at }) => at === v)?.mean ?? null);
      // A point that no curve passes would break the band.
      panels[d].chart.set([x, between(on(rate)), between(on(high)), between(on(low)), mean, x.map(() => top)]);
      panels[d].head.classList.toggle("best", d === estimates.bestLatent[u]);
    });
  }

  function drawFacts(message: UnitMessage, names: readonly string[]): void {
    const { codes, heldOut, misfit, bestLatent, shares } = message;
    const fact = (term: string, value: string) => [el("dt", {}, term), el("dd", {}, value)];
    facts.replaceChildren(
      ...fact(
        "Best latent",
        `${names[bestLatent]}, ${percent(shares[bestLatent])} of the tuning (${percent(message.sharesInterval.low[bestLatent])}–${percent(message.sharesInterval.high[bestLatent])})`,
      ),
      ...(codes
        ? fact(
            "Codes",
            `this one alone ${percent(codes.one * codes.latents[bestLatent])} · several ${percent(codes.several)} · none ${percent(codes.none)}`,
          )
        : []),
      ...fact("Alignment", interval(message.alignment)),
      ...fact("Rate at the average face", `${interval(message.baselineHz, 1)} spikes/s`),
      ...fact("Rate at the best face", `${interval(message.peak.rateHz, 1)} spikes/s`),
      ...fact("Variance over mean", fixed(message.fano)),
      ...fact("Trials", String(message.trials)),
      ...(heldOut
        ? fact(
            "Counts foretold, against a constant rate",
            `${interval(heldOut.gain.additive)} nats a trial; linear ${interval(heldOut.gain.linear)}`,
          )
        : []),
      ...fact(
        "Fit, p-values",
        misfit
          ? Object.entries(misfit.pValues)
              .map(([check, p]) => `${check} ${p < 0.001 ? "< 0.001" : fixed(p, 3)}`)
              .join(" · ")
          : "said from 50 trials on",
      ),
    );
    setText(warning, misfit?.warning ?? "");
    warning.hidden = !misfit?.warning;
  }

  function drawStrip(message: UnitMessage, names: readonly string[]): void {
    strip.forEach((one, i) => {
      const at = message.strip[i];
      if (at) one.show(at.picture, `${fixed(at.t, 0)}`, at.rateHz);
    });
    peak.show(message.peakPicture, "best", message.peak.rateHz);
    const along = message.axis.direction
      .map((v, d) => ({ v, name: names[d] }))
      .sort((a, b) => Math.abs(b.v) - Math.abs(a.v))
      .slice(0, 4)
      .map(({ v, name }) => `${name} ${fixed(v)}`)
      .join(", ");
    setText(
      axisWords,
      `Axis: ${along}. 90 % of what it could be lie within ${fixed(message.axis.coneDeg, 0)}° of it. Under each face the expected rate, spikes/s, with its 90 % interval.`,
    );
  }

  function drawRaster(message: UnitMessage): void {
    const key = `${message.unit} ${message.trials} ${message.raster.trials} ${shade}`;
    if (key === drawnRaster) return;
    drawnRaster = key;
    const { fromMs, toMs, trials } = message.raster;
    const row = uint16(message.raster.rowU16);
    const ms = float32(message.raster.msF32);
    const shown = Math.min(trials, 90);
    const height = 130;
    const widthPx = rasterBox.clientWidth || 300;
    const context = sized(raster, widthPx, height);
    const left = 46;
    const x = (at: number) => left + ((at - fromMs) / (toMs - fromMs)) * (widthPx - left - 8);
    context.fillStyle = colour("window");
    context.fillRect(x(shade[0]), 0, x(shade[1]) - x(shade[0]), height);
    context.fillStyle = colour("line");
    context.fillRect(x(0), 0, 1, height);
    context.fillStyle = colour("ink");
    const each = height / Math.max(shown, 30);
    for (let i = 0; i < row.length; i++) {
      const y = row[i] - (trials - shown);
      if (y >= 0) context.fillRect(x(ms[i]), y * each, 1.4, Math.max(each - 0.6, 0.8));
    }
    raster.ariaLabel = `Spikes of the last ${shown} trials about the onset; newest at the bottom`;
    const bins = (toMs - fromMs) / HISTOGRAM_MS;
    const counts = new Float64Array(bins);
    for (const at of ms) counts[Math.floor((at - fromMs) / HISTOGRAM_MS)]++;
    histogram.set([
      Array.from(counts, (_, i) => fromMs + (i + 0.5) * HISTOGRAM_MS),
      Array.from(counts, (n) => (trials > 0 ? (1000 * n) / (trials * HISTOGRAM_MS) : 0)),
    ]);
  }

  return {
    element,
    look(name) {
      if (unit === name) return;
      unit = name;
      drawn = null;
      page.connection.ask({ op: "look", unit: name });
    },
    shown() {
      if (unit !== null) page.connection.ask({ op: "look", unit });
    },
    hidden: () => page.connection.ask({ op: "look", unit: null }),
    themed() {
      for (const { chart } of panels) chart.redraw();
      histogram.redraw();
      drawnRaster = "";
    },
    update(latest) {
      store = latest;
      const { session, now, unit: message } = latest;
      if (!session || !now || unit === null) return;
      setText(title, unit);
      setText(mapping, session.units[index()]?.mapping ?? "");
      setText(exclude, now.excluded.includes(unit) ? "Include" : "Exclude");
      exclude.disabled = reset.disabled = apply.disabled = now.state === "ended";
      if (!edited && document.activeElement?.parentElement?.parentElement !== form) {
        const { latencyMs, windowMs } = now.tunables.window;
        if (shade[0] !== latencyMs || shade[1] !== latencyMs + windowMs) {
          shade = [latencyMs, latencyMs + windowMs];
          latency.value = String(latencyMs);
          width.value = String(windowMs);
          histogram.redraw();
        }
      }
      const own = message?.unit === unit ? message : null;
      waiting.hidden = own !== null;
      body.hidden = own === null;
      if (!own) return;
      drawCurves(latest);
      drawRaster(own);
      if (own === drawn) return;
      drawn = own;
      drawFacts(own, session.latents);
      drawStrip(own, session.latents);
    },
  };
}

function stop() {
  const face = faceView("small");
  const at = el("span", { className: "at" });
  const rate = el("span", { className: "number" });
  const range = el("span", { className: "label" });
  const element = el("figure", {}, face.element, el("figcaption", {}, at, rate, range));
  return {
    element,
    show(picture: Parameters<typeof face.show>[0], label: string, rateHz: DashboardInterval) {
      face.show(picture, `Face at ${label}, ${fixed(rateHz.estimate, 1)} spikes/s`);
      setText(at, label);
      setText(rate, fixed(rateHz.estimate, 1));
      setText(range, `${fixed(rateHz.low, 0)}–${fixed(rateHz.high, 0)}`);
    },
  };
}

function latentPanel(name: string) {
  const head = el("h3", {}, name.replaceAll("_", " "));
  const chart = plot({
    title: `Rate along ${name}`,
    height: 112,
    x: name,
    y: "",
    compact: true,
    series: [line("rate", "curve"), edge("high"), edge("low"), dots("mean", "second"), edge("top")],
    bands: [band(2, 3, "band")],
    range: { x: [-3.1, 3.1] },
  });
  return { head, chart };
}

/** Mean rate of the trials in bins of one latent's value. */
function meansBy(
  faces: Float32Array,
  rates: Float32Array,
  D: number,
  d: number,
  range: number,
): { at: number; mean: number }[] {
  const sums = Array.from({ length: BINS }, () => ({ n: 0, rate: 0, at: 0 }));
  for (let t = 0; t < rates.length; t++) {
    const value = faces[t * D + d];
    const bin = sums[Math.min(BINS - 1, Math.max(0, Math.floor(((value + range) / (2 * range)) * BINS)))];
    bin.n++;
    bin.rate += rates[t];
    bin.at += value;
  }
  return sums.filter(({ n }) => n > 1).map(({ n, rate, at }) => ({ at: at / n, mean: rate / n }));
}

/** Fills what is missing between two values with the line between them. */
function between(values: (number | null)[]): (number | null)[] {
  const out = [...values];
  let last = -1;
  values.forEach((value, i) => {
    if (value === null) return;
    if (last >= 0)
      for (let k = last + 1; k < i; k++) out[k] = values[last]! + ((value - values[last]!) * (k - last)) / (i - last);
    last = i;
  });
  return out;
}
