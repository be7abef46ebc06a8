import { useEffect, useState } from "preact/hooks";

export type Theme = "light" | "dark";

const KEY = "pondera.theme";

/** The theme: what was chosen, else what the system is set to. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => (localStorage.getItem(KEY) as Theme | null) ?? (dark.matches ? "dark" : "light");
  const [theme, set] = useState<Theme>(chosen);
  document.documentElement.dataset["theme"] = theme;
  useEffect(() => {
    const changed = () => set(chosen());
    dark.addEventListener("change", changed);
    return () => dark.removeEventListener("change", changed);
  }, []);
  useEffect(() => {
    dispatchEvent(new Event("pondera-theme"));
  }, [theme]);
  return [
    theme,
    (next) => {
      localStorage.setItem(KEY, next);
      set(next);
    },
  ];
}

let home: () => HTMLElement = () => document.documentElement;

/** Have tokens read from somewhere else than the page: a widget brings its own, in a place where no page can reach them. */
export function readTokensFrom(place: () => HTMLElement): void {
  home = place;
}

const known = new Map<string, string>();

/** The value of a token, for canvases and charts; asking the style sheet is slow, and what draws asks in every frame. */
export function token(name: string): string {
  const place = home();
  const key = `${place.dataset["theme"]} ${name}`;
  const found = known.get(key) ?? getComputedStyle(place).getPropertyValue(`--${name}`).trim();
  known.set(key, found);
  return found;
}

/** Counts changes of the theme: whoever draws by themselves draws again. */
export function useThemeChanges(): number {
  const [count, set] = useState(0);
  useEffect(() => {
    const changed = () => set((n) => n + 1);
    addEventListener("pondera-theme", changed);
    return () => removeEventListener("pondera-theme", changed);
  }, []);
  return count;
}
