/** Comes before uPlot, which asks for number formats in the browser's language as it loads: one without a valid name (LANG=C) would stop the page. */
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US" });
}
