import { useEffect, useRef } from "preact/hooks";
import type { View } from "vega";
import type { TopLevelSpec } from "vega-lite";
import { token, useThemeChanges } from "../theme";

export type Spec = Omit<TopLevelSpec, "data" | "config"> & Record<string, unknown>;

/** Width of an entry of a legend. */
const ENTRY = 80;

/** The look of every chart of a width, from the tokens: the one that the reports of the command line have. */
function look(width: number): Record<string, unknown> {
  const quiet = token("quiet");
  const grid = token("grid");
  return {
    background: null,
    font: token("sans"),
    view: { stroke: null },
    axis: { labelColor: quiet, titleColor: quiet, titleFontWeight: "normal", gridColor: grid, domainColor: grid, tickColor: grid, labelFontSize: 11, titleFontSize: 11 },
    title: { color: token("ink"), fontSize: 12, fontWeight: 600, anchor: "start" },
    legend: { labelColor: quiet, titleColor: quiet, orient: "top", title: null, labelLimit: 260, columns: Math.max(Math.floor(width / ENTRY), 1) },
    header: { labelColor: token("ink"), labelFontSize: 11, title: null },
    line: { strokeWidth: 1.8 },
    mark: { color: token("positive") },
    text: { color: token("ink") },
    range: { category: ["positive", "negative", "third", "fourth", "fifth", "grave"].map(token) },
  };
}

/** What the labels of an axis of numbers are: thousands apart, very small and very large ones with an exponent. */
export const NUMBERS = { format: ".3~g", labelExpr: "datum.label && abs(datum.value) >= 1000 && abs(datum.value) < 1e6 ? format(datum.value, ',') : replace(replace(datum.label, 'e+', 'e'), 'e-', 'e−')" };

/** Ticks beside an axis, about, and digits of their labels: at least, and all that a number has. */
const [TICKS, FEWEST, ALL] = [5, 3, 15];

/** The same with so many digits that the ticks of an axis over these values can be told apart. */
export function numbersOver(values: readonly number[]): typeof NUMBERS {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const apart = Math.ceil(Math.log10((TICKS * Math.max(-low, high)) / (high - low))) + 1;
  const digits = Number.isFinite(apart) ? Math.min(Math.max(apart, FEWEST), ALL) : FEWEST;
  return { ...NUMBERS, format: `.${digits}~g` };
}

/** Load what draws charts. It is large: pages that lead to charts have it loaded before somebody waits, or cores train. */
export function loadCharts() {
  return Promise.all([import("vega"), import("vega-lite"), import("vega-interpreter")]);
}

/**
 * A chart of Vega-Lite. Its expressions are interpreted, not compiled: the content-security policy lets nothing be
 * evaluated. `rows` may change many times a second; the chart is made anew only where `spec` or the theme changes.
 */
export function Chart(props: { spec: Spec; rows: readonly object[]; label: string; height?: number }) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<View | null>(null);
  const rows = useRef(props.rows);
  rows.current = props.rows;
  const themes = useThemeChanges();
  const made = JSON.stringify(props.spec);
  useEffect(() => {
    let gone = false;
    const draw = async () => {
      const [vega, lite, { expressionInterpreter }] = await loadCharts();
      const element = place.current;
      if (gone || !element) return;
      const whole = { height: props.height ?? 200, width: "container", autosize: { type: "fit", contains: "padding", resize: true }, padding: 2, ...props.spec, data: { name: "rows" } };
      const compiled = lite.compile(whole as unknown as TopLevelSpec, { config: look(element.clientWidth) as never }).spec;
      const runtime = vega.parse(compiled, undefined, { ast: true });
      const made = new vega.View(runtime, { expr: expressionInterpreter, renderer: "svg", container: element, hover: false } as never);
      made.width(element.clientWidth - 4);
      made.data("rows", rows.current.slice());
      view.current = made;
      await made.runAsync();
    };
    void draw();
    const sized = new ResizeObserver(() => {
      const width = place.current?.clientWidth ?? 0;
      if (width > 0 && view.current && typeof props.spec["width"] !== "number") void view.current.width(width - 4).runAsync();
    });
    if (place.current) sized.observe(place.current);
    return () => {
      gone = true;
      sized.disconnect();
      view.current?.finalize();
      view.current = null;
    };
  }, [made, themes]);
  useEffect(() => {
    const now = view.current;
    if (now) void now.data("rows", props.rows.slice()).runAsync();
  }, [props.rows]);
  return (
    <div class="chart" role="img" aria-label={props.label}>
      {/* Vega gives the element that it draws into a label of its own. */}
      <div ref={place} aria-hidden="true" />
    </div>
  );
}
