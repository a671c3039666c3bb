/** The face read back from a trial's counts beside the face that was shown. */
import { float64 } from "./arrays.ts";
import { el, panel, setText } from "./dom.ts";
import { faceView } from "./faces.ts";
import { dots, line, plot } from "./plots.ts";
import type { View } from "./view.ts";
import { fixed } from "./words.ts";

/** Over so many trials the distance is smoothed, by the median. */
const SMOOTHED = 15;

export function readBack(): View {
  const shown = faceView("medium");
  const read = faceView("medium");
  const distance = el("span", { className: "value", id: "distance" });
  const words = el("p", { className: "caption" });
  const body = el("tbody");
  const over = plot({
    title: "Cosine distance of the face read to the face shown, over trials",
    height: 230,
    x: "trial",
    y: "",
    series: [dots("distance", "curve-quiet", 4), line(`median of ${SMOOTHED}`, "curve", 2.5)],
    range: { y: [0, null] },
  });
  const element = el(
    "div",
    { className: "grid-read" },
    panel(
      "Shown, and read back from the counts",
      "pair",
      el(
        "div",
        { className: "pair-faces" },
        el("figure", {}, shown.element, el("figcaption", {}, "shown")),
        el("figure", {}, read.element, el("figcaption", {}, "read back")),
      ),
      el(
        "p",
        { className: "lead" },
        distance,
        el("span", { className: "label" }, " cosine distance: 0 the same, 1 unrelated"),
      ),
      words,
    ),
    panel("Distance over trials", "distance", over.element),
    panel(
      "Latents",
      "latents",
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...["latent", "shown", "read"].map((head) => el("th", { scope: "col" }, head)))),
        body,
      ),
    ),
  );
  let drawn = -1;
  let points = -1;
  return {
    element,
    themed: () => over.redraw(),
    update({ now, session, faces, readPicture, series }) {
      if (!now || !session) return;
      const { readBack: found } = now;
      if (!found) {
        drawn = -1;
        shown.show(null, "No face yet");
        read.show(null, "No face yet");
        setText(distance, "–");
        body.replaceChildren();
        setText(
          words,
          session.past
            ? "Nothing can be read back yet: the units had not learned from any trial."
            : "From the second trial on that this page is open, a face is read back from each trial's counts.",
        );
      } else if (found.trial !== drawn && readPicture?.trial === found.trial) {
        drawn = found.trial;
        shown.show(faces.get(found.face) ?? null, `Face ${found.face + 1} as it was shown`);
        read.show(readPicture?.picture ?? null, `Face read back from trial ${found.trial + 1}`);
        setText(distance, fixed(found.distance));
        setText(
          words,
          `Trial ${found.trial + 1}, read from ${found.cells} of ${found.units} units, with what was known before this trial.`,
        );
        const latents = float64(found.latentsF64);
        const asked = float64(found.shownF64);
        body.replaceChildren(
          ...session.latents.map((name, d) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, name),
              el("td", {}, fixed(asked[d])),
              el("td", {}, fixed(latents[d])),
            ),
          ),
        );
      }
      const own = series.filter(({ kind }) => kind === "distance");
      if (own.length === points) return;
      points = own.length;
      const values = own.map(({ value }) => value);
      over.set([
        own.map(({ trial }) => trial),
        values,
        values.map((_, i) => median(values.slice(Math.max(0, i + 1 - SMOOTHED), i + 1))),
      ]);
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
