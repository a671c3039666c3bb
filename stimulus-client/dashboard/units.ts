/** All units as a grid that can be sorted and filtered. Only the rows in sight exist. */
import { el, setAttribute, setText } from "./dom.ts";
import { drawSparklines, SPARK_HEIGHT, SPARK_WIDTH } from "./sparkline.ts";
import type { Estimates, Store } from "./store.ts";
import type { Page, View } from "./view.ts";
import { fixed, percent } from "./words.ts";

const ROW_PX = 46;
/** Rows above and below those in sight. */
const SPARE = 3;

type Key = "name" | "latent" | "probability" | "alignment" | "rate" | "trials" | "warning";
const columns: { key: Key; title: string; what: string }[] = [
  { key: "name", title: "Unit", what: "name and how it is mapped" },
  { key: "latent", title: "Latent", what: "best latent" },
  { key: "probability", title: "Prob.", what: "probability that it codes this latent alone" },
  { key: "alignment", title: "Align.", what: "alignment with single latents, 0 to 1" },
  { key: "rate", title: "Rate", what: "rate at the average face, spikes/s" },
  { key: "trials", title: "Trials", what: "trials learned from" },
  { key: "warning", title: "State", what: "warnings, and whether it counts in choices" },
];
const filters = {
  all: "All units",
  known: "Known (0.95 or more)",
  warned: "With a warning",
  excluded: "Excluded",
} as const;
type Filter = keyof typeof filters;

export function units(page: Page): View {
  const text = el("input", {
    type: "search",
    id: "unit-filter",
    placeholder: "Filter by name or latent",
    ariaLabel: "Filter units",
  });
  const kind = el(
    "select",
    { id: "unit-kind", ariaLabel: "Which units" },
    ...Object.entries(filters).map(([value, label]) => el("option", { value }, label)),
  );
  const count = el("span", { className: "count", role: "status" });
  let sort: { key: Key; down: boolean } = { key: "probability", down: true };
  const heads = columns.map(({ key, title, what }) => {
    const button = el("button", { type: "button", title: what }, title);
    const cell = el("div", { className: `cell ${key}`, role: "columnheader" }, button);
    button.onclick = () => {
      sort = { key, down: sort.key === key ? !sort.down : key !== "name" && key !== "latent" };
      arrange();
    };
    return { key, cell };
  });
  const curveHeads = el("div", { className: "cell curves", role: "columnheader" });
  const header = el("div", { className: "row head", role: "row" }, ...heads.map(({ cell }) => cell), curveHeads);
  const spacer = el("div", { className: "spacer" });
  const body = el("div", { className: "rows", role: "rowgroup" }, spacer);
  const table = el(
    "div",
    { className: "units-grid", role: "grid", ariaLabel: "Units" },
    el("div", { role: "rowgroup", className: "head-group" }, header),
    body,
  );
  const empty = el("p", { className: "empty" });
  const element = el(
    "div",
    { className: "view-units" },
    el(
      "div",
      { className: "tools" },
      text,
      kind,
      count,
      el("span", { className: "hint" }, "Arrow keys move, Enter opens, X excludes"),
    ),
    table,
    empty,
  );

  let store: Store | null = null;
  let order: number[] = [];
  let focused = 0;
  const pool: Row[] = [];
  text.oninput = kind.onchange = () => arrange();
  body.addEventListener("scroll", () => draw(), { passive: true });
  new ResizeObserver(() => draw()).observe(body);
  body.addEventListener("keydown", (event) => {
    const moves: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
    const unit = order[focused];
    if (event.key in moves) {
      event.preventDefault();
      focus(focused + moves[event.key]);
    } else if (event.key === "Enter" && unit !== undefined) page.openUnit(nameOf(unit));
    else if (event.key.toLowerCase() === "x" && unit !== undefined) {
      event.stopPropagation();
      toggle(unit);
    }
  });

  const nameOf = (unit: number) => store!.session!.units[unit].name;
  const isExcluded = (unit: number) => store!.now!.excluded.includes(nameOf(unit));
  const toggle = (unit: number) => {
    const excluded = isExcluded(unit);
    void page.command(
      { op: excluded ? "include" : "exclude", unit: nameOf(unit) },
      `${nameOf(unit)} ${excluded ? "counts again" : "no longer counts in choices"}`,
    );
  };

  function focus(index: number): void {
    focused = Math.min(Math.max(index, 0), order.length - 1);
    const top = focused * ROW_PX;
    if (top < body.scrollTop) body.scrollTop = top;
    if (top + ROW_PX > body.scrollTop + body.clientHeight) body.scrollTop = top + ROW_PX - body.clientHeight;
    draw();
    pool.find(({ index: at }) => at === focused)?.element.focus();
  }

  const valueFor = (key: Key, u: number, estimates: Estimates | null): number | string => {
    if (key === "name") return nameOf(u);
    if (!estimates) return 0;
    switch (key) {
      case "latent":
        return estimates.bestLatent[u];
      case "probability":
        return estimates.codesBest[u];
      case "alignment":
        return estimates.alignment[u];
      case "rate":
        return estimates.baselineHz[u].estimate;
      case "trials":
        return estimates.learned[u];
      case "warning":
        return (estimates.warnings[u] ? 2 : 0) + Number(isExcluded(u));
    }
  };

  function arrange(): void {
    if (!store?.session || !store.now) return;
    const { session, estimates } = store;
    const wanted = text.value.trim().toLowerCase();
    const filter = kind.value as Filter;
    order = session.units
      .map((_, u) => u)
      .filter((u) => {
        const latent = estimates && estimates.trials > 0 ? session.latents[estimates.bestLatent[u]] : "";
        if (wanted && !`${session.units[u].name} ${session.units[u].mapping} ${latent}`.toLowerCase().includes(wanted))
          return false;
        if (filter === "known") return (estimates?.codesBest[u] ?? 0) >= 0.95;
        if (filter === "warned") return (estimates?.warnings[u] ?? null) !== null;
        return filter === "all" || isExcluded(u);
      })
      .sort((a, b) => {
        const [x, y] = [valueFor(sort.key, a, estimates), valueFor(sort.key, b, estimates)];
        const by = typeof x === "string" ? x.localeCompare(y as string, "en", { numeric: true }) : x - (y as number);
        return (sort.down ? -by : by) || a - b;
      });
    for (const { key, cell } of heads)
      setAttribute(cell, "aria-sort", key !== sort.key ? "none" : sort.down ? "descending" : "ascending");
    setText(
      count,
      order.length === session.units.length
        ? `${order.length} units`
        : `${order.length} of ${session.units.length} units`,
    );
    setText(empty, order.length === 0 ? "No unit is like that. Take another filter." : "");
    setAttribute(table, "aria-rowcount", String(order.length + 1));
    const height = `${order.length * ROW_PX}px`;
    if (spacer.style.height !== height) spacer.style.height = height;
    draw();
  }

  function draw(): void {
    if (!store?.session || !store.now) return;
    const first = Math.max(0, Math.floor(body.scrollTop / ROW_PX) - SPARE);
    const last = Math.min(order.length, Math.ceil((body.scrollTop + body.clientHeight) / ROW_PX) + SPARE);
    while (pool.length < last - first) {
      const row = createRow(page, (index) => {
        focused = index;
      });
      pool.push(row);
      body.append(row.element);
    }
    // A row keeps its place in the pool by its index, so that scrolling by one redraws one.
    for (const row of pool) row.used = false;
    for (let index = first; index < last; index++) {
      const row = pool[index % pool.length];
      row.used = true;
      row.show(index, order[index], store, index === focused, isExcluded(order[index]), () => toggle(order[index]));
    }
    for (const row of pool) row.element.hidden = !row.used;
  }

  let sorted = -1;
  return {
    element,
    shown: () => arrange(),
    themed() {
      for (const row of pool) row.drawn = "";
      draw();
    },
    update(latest) {
      const fresh = store?.session !== latest.session || store !== latest;
      store = latest;
      if (fresh && latest.session)
        curveHeads.replaceChildren(...latest.session.latents.map((name) => latentHead(name)));
      const serial = latest.estimates?.serial ?? 0;
      const sortEvery = sorted < 0 || serial > sorted + 3;
      // Rows do not change places under the pointer more often than now and then.
      if (fresh || (sortEvery && !element.matches(":hover, :focus-within")) || sorted < 0) {
        sorted = serial;
        arrange();
      } else draw();
    },
  };
}

/** "z5 eyes" as two lines of a narrow column. */
function latentHead(name: string): HTMLElement {
  const [, number, rest] = name.match(/^(z\d+)[ _](.*)$/) ?? [null, "", name];
  const head = el(
    "span",
    { className: "latent-head", title: name },
    el("b", {}, number),
    el("span", {}, rest.replaceAll("_", " ")),
  );
  head.style.width = `${SPARK_WIDTH}px`;
  return head;
}

interface Row {
  element: HTMLElement;
  index: number;
  used: boolean;
  drawn: string;
  show(index: number, unit: number, store: Store, focused: boolean, excluded: boolean, toggle: () => void): void;
}

function createRow(page: Page, focusedAt: (index: number) => void): Row {
  const cell = (name: string, ...children: Node[]) =>
    el("div", { className: `cell ${name}`, role: "gridcell" }, ...children);
  const open = el("button", { type: "button", className: "link", tabIndex: -1 });
  const mapping = el("span", { className: "mapping" });
  const latent = cell("latent");
  const probability = cell("probability");
  const alignment = cell("alignment");
  const rate = cell("rate");
  const trials = cell("trials");
  const warning = el("span", { className: "warning" });
  const exclude = el("button", { type: "button", className: "small", tabIndex: -1 });
  const canvas = el("canvas", { role: "img" });
  const curves = cell("curves", canvas);
  const element = el(
    "div",
    { className: "row", role: "row", tabIndex: -1 },
    cell("name", open, mapping),
    latent,
    probability,
    alignment,
    rate,
    trials,
    cell("warning", warning, exclude),
    curves,
  );
  const row: Row = {
    element,
    index: -1,
    used: false,
    drawn: "",
    show(index, unit, store, focused, excluded, toggle) {
      const { session, estimates } = store;
      const { name, mapping: how } = session!.units[unit];
      if (row.index !== index) {
        row.index = index;
        element.style.transform = `translateY(${index * ROW_PX}px)`;
        setAttribute(element, "aria-rowindex", String(index + 2));
      }
      element.tabIndex = focused ? 0 : -1;
      element.onfocus = () => focusedAt(index);
      setText(open, name);
      open.onclick = () => page.openUnit(name);
      setText(mapping, how);
      setText(exclude, excluded ? "Include" : "Exclude");
      exclude.onclick = toggle;
      element.classList.toggle("excluded", excluded);
      if (!estimates || estimates.trials === 0) {
        for (const empty of [latent, probability, alignment, rate, trials]) setText(empty, "–");
        setText(warning, excluded ? "excluded" : "");
        return;
      }
      setText(latent, session!.latents[estimates.bestLatent[unit]]);
      setText(probability, percent(estimates.codesBest[unit]));
      setText(alignment, fixed(estimates.alignment[unit]));
      setText(rate, fixed(estimates.baselineHz[unit].estimate, 1));
      setText(trials, String(estimates.learned[unit]));
      const warned = estimates.warnings[unit];
      setText(warning, warned ? "misfit" : excluded ? "excluded" : estimates.codesBest[unit] >= 0.95 ? "known" : "");
      warning.title = warned ?? "";
      setAttribute(warning, "data-is", warned ? "misfit" : excluded ? "excluded" : "known");
      const drawing = `${unit} ${estimates.serial}`;
      if (row.drawn === drawing) return;
      row.drawn = drawing;
      setAttribute(
        canvas,
        "aria-label",
        `Rate of ${name} along each latent, with 90 % bands; best ${session!.latents[estimates.bestLatent[unit]]}`,
      );
      drawSparklines(canvas, estimates, unit);
    },
  };
  canvas.height = SPARK_HEIGHT;
  return row;
}
