/** Whether all is well: where the time goes, what comes in, what was lost. */
import { el, panel } from "./dom.ts";
import type { Store } from "./store.ts";
import type { View } from "./view.ts";
import { bytes, fixed, flagWords } from "./words.ts";

/** A table whose cells are changed in place. */
function table(caption: string, heads: readonly string[]) {
  const body = el("tbody");
  const element = el(
    "table",
    {},
    el("caption", { className: "hidden-words" }, caption),
    heads.length > 0 ? el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))) : null,
    body,
  );
  let shown = "";
  return {
    element,
    set(rows: readonly (readonly string[])[]) {
      const next = JSON.stringify(rows);
      if (next === shown) return;
      shown = next;
      body.replaceChildren(
        ...rows.map(([name, ...values]) =>
          el("tr", {}, el("th", { scope: "row" }, name), ...values.map((value) => el("td", {}, value))),
        ),
      );
    },
  };
}

export function health(): View {
  const latency = table("Loop latency over the last 100 trials", ["step", "median", "p99", "of"]);
  const incoming = table("Spikes and messages", []);
  const lost = table("What was lost or turned away", []);
  const clocks = table("Clocks", []);
  const machine = table("This computer", []);
  const flags = table("Trials by flag", []);
  const element = el(
    "div",
    { className: "grid-health" },
    panel("Loop latency, ms, last 100", "latency", latency.element),
    panel("Coming in", "incoming", incoming.element),
    panel("Lost, late or rejected", "lost", lost.element),
    panel("Clocks", "clocks", clocks.element),
    panel("Trials by flag", "flags", flags.element),
    panel("This computer", "machine", machine.element),
  );
  return {
    element,
    update({ now, session }: Store) {
      if (!now || !session) return;
      const { health: h } = now;
      // What a past session's journal does not say is not known.
      const live = (text: string) => (session.past ? "–" : text);
      latency.set(
        h.latency.length > 0
          ? h.latency.map(({ words, n, p50, p99 }) => [
              words.replace(/^→ /, "then ").replace(" → ", " to "),
              fixed(p50),
              fixed(p99),
              String(n),
            ])
          : [[session.past ? "not kept trial by trial" : "no trial yet", "–", "–", "–"]],
      );
      incoming.set([
        ["spikes a second", live(h.spikesPerS.toFixed(0))],
        ["messages a second", live(h.messagesPerS.toFixed(0))],
        ["recording restarts", live(String(h.restarts))],
      ]);
      const rejected = Object.entries(h.rejected).map(([reason, n]) => [`rejected: ${reason}`, String(n)]);
      lost.set([
        ["messages lost", live(String(h.lostMessages))],
        ["messages out of order", live(String(h.reorderedMessages))],
        ["late spikes", live(String(h.lateSpikes))],
        ...(rejected.length > 0 ? rejected : [["messages rejected", live("0")]]),
        ["faces that came too late", String(h.deadlineMisses)],
        ["dropped frames", String(h.droppedFrames)],
        ["presentations given up", String(h.abortedPresentations)],
      ]);
      clocks.set([
        ["onset on the server's clock, ± ms", fixed(h.displayUncertaintyMs)],
        ["window on the recording's clock, ± ms", fixed(h.streamUncertaintyMs)],
        ["recording − server, s", fixed(h.streamOffsetS, 4)],
        ["placed by", h.alignedBy ?? "–"],
      ]);
      const seen = Object.entries(now.flags).map(([flag, n]) => [flagWords[flag] ?? flag, String(n)]);
      flags.set(seen.length > 0 ? seen : [["no trial yet", "–"]]);
      machine.set([
        ["decoder", h.backend],
        ["model", session.model],
        ["event loop held up, p99 ms", h.loopDelayMs ? fixed(h.loopDelayMs.p99, 1) : "–"],
        ["disk free", bytes(h.diskFreeBytes)],
        ["memory in use", live(bytes(h.memoryBytes))],
        ["dashboards open", live(String(h.watchers))],
        ["session folder", session.folder],
      ]);
    },
  };
}
