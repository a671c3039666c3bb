/** Elements, with a little less to write. */
type Child = Node | string | null;
type Props<T extends HTMLElement> = Partial<Omit<T, "style" | "dataset">> & {
  aria?: Record<string, string>;
  data?: Record<string, string>;
};

export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props<HTMLElementTagNameMap[Tag]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  const { aria = {}, data = {}, ...own } = props;
  Object.assign(element, own);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
  for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Sets text only where it differs: what has not changed is not laid out anew. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: HTMLElement, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** A titled part of a view. */
export function panel(title: string, className: string, ...children: Child[]): HTMLElement {
  return el("section", { className: `panel ${className}`, ariaLabel: title }, el("h2", {}, title), ...children);
}

/** A colour of the style sheet, as canvases need it. */
export function colour(name: string): string {
  let value = colours.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    colours.set(name, value);
  }
  return value;
}
const colours = new Map<string, string>();
/** The theme is another one. */
export const forgetColours = (): void => colours.clear();

/** A canvas as sharp as the screen; drawn on in CSS pixels. */
export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio;
  const w = Math.round(width * ratio);
  const h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
