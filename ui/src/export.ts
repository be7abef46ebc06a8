import { read } from "./route";
import { token } from "./theme";

/** Hand somebody a file. */
export function save(name: string, content: BlobPart, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function saveJson(name: string, value: unknown): void {
  save(`${name}.json`, JSON.stringify(value, null, 2), "application/json");
}

export function saveCsv(name: string, head: readonly string[], rows: readonly (readonly unknown[])[]): void {
  save(`${name}.csv`, [head, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n", "text/csv");
}

/**
 * A value in a line of CSV: texts that hold a comma, a quote or a line's end stand in quotes. Before one that a
 * spreadsheet would take for a formula stands an apostrophe: names of columns and runs come from anywhere.
 */
function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = String(value).replace(/^(?=[=+\-@\t\r])/, "'");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "fill-opacity", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "dominant-baseline", "stroke-linecap", "stroke-linejoin"];

/** A picture that stands by itself: what the style sheet says of it is written into it. */
export function standalone(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const from = [svg, ...svg.querySelectorAll<SVGElement>("*")];
  const into = [copy, ...copy.querySelectorAll<SVGElement>("*")];
  from.forEach((element, at) => {
    const looks = getComputedStyle(element);
    for (const name of LOOKS) {
      const value = looks.getPropertyValue(name);
      if (value) into[at]?.setAttribute(name, value);
    }
    into[at]?.removeAttribute("class");
  });
  const box = svg.getBoundingClientRect();
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  if (!copy.getAttribute("viewBox")) copy.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
  copy.setAttribute("width", String(Math.round(box.width)));
  copy.setAttribute("height", String(Math.round(box.height)));
  return new XMLSerializer().serializeToString(copy);
}

/** The picture in an element, as SVG or PNG; what is drawn on a canvas is PNG only. */
export async function savePicture(place: HTMLElement | null, name: string, kind: "svg" | "png"): Promise<void> {
  const svg = place?.querySelector<SVGSVGElement>("svg");
  const canvas = place?.querySelector("canvas");
  if (svg && kind === "svg") return save(`${name}.svg`, standalone(svg), "image/svg+xml");
  const drawn = canvas ?? (svg ? await rasterized(svg) : null);
  if (!drawn) return;
  const blob = await new Promise<Blob | null>((done) => drawn.toBlob(done, "image/png"));
  if (blob) save(`${name}.png`, blob, "image/png");
}

async function rasterized(svg: SVGSVGElement): Promise<HTMLCanvasElement> {
  const box = svg.getBoundingClientRect();
  const image = new Image();
  const address = URL.createObjectURL(new Blob([standalone(svg)], { type: "image/svg+xml" }));
  await new Promise((done, failed) => {
    image.onload = done;
    image.onerror = failed;
    image.src = address;
  });
  URL.revokeObjectURL(address);
  const canvas = document.createElement("canvas");
  canvas.width = 2 * box.width;
  canvas.height = 2 * box.height;
  const context = canvas.getContext("2d");
  if (context) {
    context.fillStyle = token("card");
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
  }
  return canvas;
}

/** The page as it is now, in one file that fetches nothing and runs nothing. */
export function saveSnapshot(name: string): void {
  const main = document.getElementById("main");
  if (!main) return;
  const copy = main.cloneNode(true) as HTMLElement;
  const canvases = main.querySelectorAll("canvas");
  copy.querySelectorAll("canvas").forEach((canvas, at) => {
    const image = document.createElement("img");
    image.src = canvases[at]?.toDataURL("image/png") ?? "";
    image.className = "shot";
    image.alt = canvas.getAttribute("aria-label") ?? "";
    canvas.replaceWith(image);
  });
  const fields = main.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input,select");
  copy.querySelectorAll("input,select").forEach((field, at) => {
    const shown = document.createElement("b");
    const original = fields[at];
    shown.textContent = original ? told(original) : "";
    field.replaceWith(shown);
  });
  copy.querySelectorAll("[data-live]").forEach((each) => each.replaceWith(...each.querySelectorAll(".badge")));
  copy.querySelectorAll("[role=application]").forEach((each) => {
    for (const name of ["role", "tabindex", "aria-label"]) each.removeAttribute(name); // what is in it has a name of its own
  });
  copy.querySelectorAll("button.link,a:not(.button,[download])").forEach((link) => link.replaceWith(...link.childNodes)); // what they lead to is not in this file
  copy.querySelectorAll("button,a,.drop,.transport,script").forEach((each) => each.remove());
  copy.querySelectorAll(".same").forEach((each) => each.querySelector("code") ?? each.remove());
  const from = document.createElement("p");
  from.className = "quiet small";
  from.style.marginTop = "1.2rem";
  const { page, query } = read();
  const asked = [...query].map(([name, value]) => `${name} ${value}`);
  const place = (query.has(page) ? asked : [page, ...asked]).join(", ");
  from.textContent = `Saved from Pondera's workbench on ${new Date().toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })}: ${place}.`;
  copy.append(from);
  const style = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).map((rule) => rule.cssText).join("\n");
  const theme = document.documentElement.dataset["theme"] ?? "light";
  const title = document.title.replaceAll("<", "&lt;");
  const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
  save(
    `${name}.html`,
    `<!doctype html><html lang="en" data-theme="${theme}"><head><meta charset="utf-8">` +
      `<meta name="viewport" content="width=device-width,initial-scale=1">` +
      `<meta http-equiv="Content-Security-Policy" content="${policy}"><title>${title}</title>` +
      `<style>${style.replaceAll("</", "<\\/")}\nimg.shot{width:100%;height:100%}</style></head><body>${copy.outerHTML}</body></html>\n`,
    "text/html",
  );
}

/** What somebody sees of a field: of a choice its words, of what was ticked a tick, of a slider nothing, as its number is beside it. */
function told(field: HTMLInputElement | HTMLSelectElement): string {
  if (field instanceof HTMLSelectElement) return field.selectedOptions[0]?.text ?? "";
  if (field.type === "checkbox") return field.checked ? "✓" : "";
  if (field.type === "search") return field.value && `${field.getAttribute("aria-label")}: ${field.value}`;
  return field.type === "range" || field.type === "file" ? "" : field.value;
}
