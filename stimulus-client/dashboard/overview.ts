/** What is on the screen, what comes next and why, and how far the session has come. */
import { float64 } from "./arrays.ts";
import { el, panel, setText } from "./dom.ts";
import { faceView } from "./faces.ts";
import { band, edge, line, plot } from "./plots.ts";
import type { Store } from "./store.ts";
import type { Page, View } from "./view.ts";
import { fixed, interval, percent, timeOfDay, why } from "./words.ts";

const COMING = 3;
const BEST = 6;
const LINES = 7;

export function overview(page: Page): View {
  const now = faceView("large");
  const nowWords = el("p", { className: "why", id: "on-screen" });
  const coming = Array.from({ length: COMING }, (_, i) => {
    const face = faceView("small");
    const words = el("p", { className: "why" });
    const item = el("li", { data: { next: String(i) } }, face.element, words);
    return { face, words, item };
  });
  const noneComing = el("p", { className: "empty" });
  const population = el("span", { className: "value", id: "population" });
  const alignmentPlot = plot({
    title: "Population alignment over trials, with its 90 % interval",
    height: 170,
    x: "trial",
    y: "",
    series: [line("alignment", "curve"), edge("high"), edge("low")],
    bands: [band(2, 3, "band")],
    range: { y: [0, 1] },
  });
  const best = el("ol", { className: "best" });
  const log = el("ol", { className: "log-lines" });
  const empty = el("p", { className: "empty" });

  const element = el(
    "div",
    { className: "grid-overview" },
    panel("On the screen now", "now", now.element, nowWords),
    panel(
      "Next, and why",
      "coming",
      el("ol", { className: "coming-list" }, ...coming.map(({ item }) => item)),
      noneComing,
    ),
    panel(
      "Alignment of the population",
      "alignment",
      el("p", { className: "lead" }, population, el("span", { className: "label" }, " 0 mixed – 1 one latent a unit")),
      alignmentPlot.element,
    ),
    panel("Best known units", "best-units", best, empty),
    panel("Latest", "latest", log),
  );

  let drawn = -1;
  let listed = -1;
  let logged = -1;
  return {
    element,
    themed: () => alignmentPlot.redraw(),
    update(store: Store) {
      const { session, estimates } = store;
      const message = store.now;
      if (!session || !message) return;
      const names = session.latents;
      const { onScreen } = message;
      now.show(
        onScreen ? (store.faces.get(onScreen.face) ?? null) : null,
        onScreen ? `Face ${onScreen.face + 1}, on the screen now` : "No face on the screen",
      );
      setText(
        nowWords,
        onScreen
          ? `Face ${onScreen.face + 1}. ${why(onScreen, names)}`
          : message.past && message.past.at < message.past.trials
            ? "No face was on the screen at this moment."
            : noFace(message.state, message.displayConnected),
      );
      coming.forEach(({ face, words, item }, i) => {
        const next = message.next[i];
        item.hidden = next === undefined;
        if (!next) return;
        face.show(store.faces.get(next.face) ?? null, `Face ${next.face + 1}, to come`);
        setText(words, `Face ${next.face + 1}. ${why(next, names)}`);
      });
      setText(noneComing, message.next.length > 0 ? "" : "No face has been chosen to come next.");
      const points = store.series.filter(({ kind }) => kind === "alignment");
      if (points.length !== drawn) {
        drawn = points.length;
        alignmentPlot.set([
          points.map(({ trial }) => trial),
          points.map(({ value }) => value),
          points.map(({ high }) => high ?? null),
          points.map(({ low }) => low ?? null),
        ]);
      }
      setText(population, estimates?.population ? interval(estimates.population) : "–");
      if (estimates && estimates.serial !== listed) {
        listed = estimates.serial;
        const order = estimates.codesBest
          .map((probability, u) => ({ probability, u }))
          .filter(() => estimates.trials > 0)
          .sort((a, b) => b.probability - a.probability)
          .slice(0, BEST);
        best.replaceChildren(
          ...order.map(({ probability, u }) =>
            el(
              "li",
              {},
              el(
                "button",
                { type: "button", className: "link", onclick: () => page.openUnit(session.units[u].name) },
                session.units[u].name,
              ),
              el("span", { className: "latent" }, names[estimates.bestLatent[u]]),
              el("span", { className: "number" }, percent(probability)),
            ),
          ),
        );
      }
      setText(
        empty,
        estimates && estimates.trials > 0 ? "" : "Nothing is known yet: the first trials are on their way.",
      );
      const last = store.log.at(-1)?.n ?? -1;
      if (last !== logged) {
        logged = last;
        log.replaceChildren(
          ...store.log
            .slice(-LINES)
            .reverse()
            .map(({ serverMs, text, kind }) =>
              el("li", { data: { kind } }, el("time", {}, timeOfDay(serverMs)), el("span", {}, text)),
            ),
        );
      }
    },
  };
}

function noFace(state: string, displayConnected: boolean): string {
  if (state === "ended") return "The session has ended: nothing is shown any more.";
  if (!displayConnected) return "No face: no display is connected.";
  if (state === "paused") return "No face: the session is paused.";
  return "No face at this moment.";
}

/** "yaw 1.2, hair_length −0.8": the latents that are furthest out. */
export function furthest(latentsF64: Uint8Array, names: readonly string[], most = 3): string {
  return [...float64(latentsF64)]
    .map((value, d) => ({ value, name: names[d] }))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, most)
    .map(({ value, name }) => `${name} ${fixed(value, 1)}`)
    .join(", ");
}
