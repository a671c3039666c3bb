/** Light, dark, or as the system has it; kept on this computer. */
const KEY = "latentloop-theme";
const themes = ["auto", "light", "dark"] as const;
type Theme = (typeof themes)[number];

const kept = (): Theme => themes.find((theme) => theme === localStorage.getItem(KEY)) ?? "auto";
const apply = (theme: Theme) => {
  document.documentElement.dataset.theme = theme;
};

/** @param changed told when the system's own changes */
export function startTheme(changed: () => void): void {
  apply(kept());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

export function nextTheme(): Theme {
  const theme = themes[(themes.indexOf(kept()) + 1) % themes.length];
  localStorage.setItem(KEY, theme);
  apply(theme);
  return theme;
}
