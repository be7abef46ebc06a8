import tokens from "../tokens.css?inline";
import style from "../style.css?inline";
import own from "./widget.css?inline";
import { readTokensFrom } from "../theme";

const hosts = new Set<HTMLElement>();

/**
 * A place in a notebook's page whose looks are the workbench's: a shadow, so that neither's style sheet reaches the other.
 * Light or dark follows from what is behind it.
 */
export function shadowIn(el: HTMLElement): { place: HTMLElement; close: () => void } {
  const host = document.createElement("div");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = document.createElement("style");
  sheet.textContent = [tokens.replaceAll(':root[data-theme="dark"]', ':host([data-theme="dark"])').replaceAll(":root", ":host"), style, own].join("\n");
  const place = document.createElement("div");
  shadow.append(sheet, place);
  el.append(host);
  hosts.add(host);
  readTokensFrom(() => [...hosts].findLast((each) => each.isConnected) ?? document.documentElement);

  const look = () => {
    const theme = isDark(el) ? "dark" : "light";
    if (host.dataset["theme"] === theme) return;
    host.dataset["theme"] = theme;
    dispatchEvent(new Event("pondera-theme"));
  };
  look();
  const turned = new MutationObserver(look);
  for (const element of [document.documentElement, document.body]) turned.observe(element, { attributes: true });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", look);
  return {
    place,
    close: () => {
      turned.disconnect();
      system.removeEventListener("change", look);
      hosts.delete(host);
      host.remove();
    },
  };
}

/** Whether what is behind an element is dark: of the first that has a colour. */
function isDark(element: HTMLElement): boolean {
  for (let each: HTMLElement | null = element; each; each = each.parentElement) {
    const [red = 0, green = 0, blue = 0, opacity = 1] = getComputedStyle(each).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (opacity > 0.5) return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark");
}
