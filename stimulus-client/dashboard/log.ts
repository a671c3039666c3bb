/** All that happened, newest first, by kind and by words. */
import { type LogKind, logKinds } from "../../protocols/wire/dashboard.ts";
import { el, setText } from "./dom.ts";
import type { View } from "./view.ts";
import { timeOfDay } from "./words.ts";

const MOST = 400;
const kindWords: Record<LogKind, string> = {
  session: "session",
  operator: "operator",
  note: "notes",
  display: "display",
  spikes: "recording",
  gate: "gate",
  choice: "choices",
  problem: "problems",
};

export function log(): View {
  const on = new Set<LogKind>(logKinds);
  const text = el("input", {
    type: "search",
    placeholder: "Filter by words",
    ariaLabel: "Filter the log",
    id: "log-filter",
  });
  const chips = logKinds.map((kind) => {
    const box = el("input", { type: "checkbox", checked: true, id: `log-${kind}` });
    box.onchange = () => {
      if (box.checked) on.add(kind);
      else on.delete(kind);
      drawn = -1;
    };
    return el("label", { className: "chip" }, box, kindWords[kind]);
  });
  text.oninput = () => {
    drawn = -1;
  };
  const list = el("ol", { className: "log-lines long", id: "log-list" });
  const count = el("span", { className: "count" });
  const element = el("div", { className: "view-log" }, el("div", { className: "tools" }, text, ...chips, count), list);
  let drawn = -1;
  return {
    element,
    shown() {
      drawn = -1;
    },
    update({ log: lines }) {
      const last = lines.at(-1)?.n ?? -1;
      if (last === drawn) return;
      drawn = last;
      const wanted = text.value.trim().toLowerCase();
      const found = lines.filter(({ kind, text: said }) => on.has(kind) && said.toLowerCase().includes(wanted));
      setText(count, found.length > MOST ? `the latest ${MOST} of ${found.length}` : `${found.length} lines`);
      list.replaceChildren(
        ...found
          .slice(-MOST)
          .reverse()
          .map(({ serverMs, kind, text: said }) =>
            el(
              "li",
              { data: { kind } },
              el("time", {}, timeOfDay(serverMs)),
              el("b", {}, kindWords[kind]),
              el("span", {}, said),
            ),
          ),
      );
      if (found.length === 0) list.append(el("li", { className: "empty" }, "Nothing like that has happened."));
    },
  };
}
