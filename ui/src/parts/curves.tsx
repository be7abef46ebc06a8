import { type ScaleContinuousNumeric, scaleLinear, scaleLog, scaleSymlog } from "d3-scale";
import { useMemo } from "preact/hooks";
import { figure, typeset } from "../format";
import { useWidth } from "./width";

/** A curve: places to the right, ascending, and values; what is not finite is left out. */
export interface Curve {
  name: string;
  /** A token. */
  colour: string;
  x: readonly number[];
  y: readonly number[];
}

/** What lies between the lowest and the highest. */
export interface Band {
  x: readonly number[];
  low: readonly number[];
  high: readonly number[];
}

type Scale = ScaleContinuousNumeric<number, number>;
const SCALES = { linear: (): Scale => scaleLinear(), log: (): Scale => scaleLog(), symlog: (): Scale => scaleSymlog() };
const [LEFT, RIGHT, BOTTOM] = [52, 10, 34];

/** Of a label beside the axis: how wide a digit is, and what is left for the name of the axis. */
const [DIGIT, BESIDE] = [6.2, 20];

/** How wide a letter of a label is, about. */
const LETTER = 7;

/**
 * Curves that grow while they are looked at: a few paths, written anew where there is something new. A chart of
 * Vega-Lite says more, and takes ten frames to say it. `mark` is a place to the right that a rule stands at,
 * `kept` that of the epoch whose weights the model has.
 */
export function Curves(props: { curves: readonly Curve[]; band?: Band | undefined; scale: keyof typeof SCALES; x: string; y?: string; label: string; height?: number; mark?: number | null; kept?: number | null | undefined }) {
  const [place, width] = useWidth(560);
  const height = props.height ?? 200;
  const { scale, band, curves, mark, kept } = props;
  // What replays moves the mark many times a second; paths of thousands of places stay.
  const { drawn, across, top, left } = useMemo(() => drawnOf(curves, band, scale, width, height), [curves, band, scale, width, height]);
  return (
    <div class="chart" role="img" aria-label={props.label}>
      <svg ref={place} class="picture" viewBox={`0 0 ${width} ${height}`} height={height} aria-hidden="true" font-size="11" fill="var(--quiet)">
        {drawn}
        <text x={(left + width - RIGHT) / 2} y={height - 3} text-anchor="middle">
          {props.x}
        </text>
        {props.y && (
          <text transform={`translate(10 ${(top + height - BOTTOM) / 2}) rotate(-90)`} text-anchor="middle">
            {props.y}
          </text>
        )}
        {kept != null && <Kept x={across(kept)} top={top} bottom={height - BOTTOM} right={width - RIGHT} />}
        {mark != null && <path class="mark" d={`M${across(mark).toFixed(1)},${top}V${height - BOTTOM}`} stroke="var(--quiet)" stroke-dasharray="2 3" />}
      </svg>
    </div>
  );
}

/** How wide the word beside the rule of the kept epoch is. */
const WORD = 28;

/** The rule of the epoch that was kept. */
function Kept({ x, top, bottom, right }: { x: number; top: number; bottom: number; right: number }) {
  const beside = x + WORD < right;
  return (
    <g data-testid="kept-epoch">
      <path d={`M${x.toFixed(1)},${top}V${bottom}`} stroke="var(--ink)" stroke-width="0.8" />
      <text x={beside ? x + 4 : x - 4} y={bottom - 4} text-anchor={beside ? "start" : "end"}>
        kept
      </text>
    </g>
  );
}

function drawnOf(curves: readonly Curve[], band: Band | undefined, scale: keyof typeof SCALES, width: number, height: number) {
  const top = curves.length > 1 ? 26 : 8;
  const shown = (value: number) => Number.isFinite(value) && (scale !== "log" || value > 0);
  const [first, last] = extent(curves.map((each) => each.x), Number.isFinite);
  const up = SCALES[scale]()
    .domain(extent([...curves.map((each) => each.y), ...(band ? [band.low, band.high] : [])], shown))
    .range([height - BOTTOM, top]);
  const there = curves.some((each) => each.y.some(shown));
  const tall = there ? up.ticks(4) : [];
  const labels = labelled(up, tall, scale);
  const left = Math.max(LEFT, Math.max(...labels.map((each) => each.length)) * DIGIT + BESIDE);
  const across = scaleLinear([first, last === first ? first + 1 : last], [left, width - RIGHT]);
  const wide = there ? across.ticks(Math.max(Math.floor(width / 90), 2)).filter(Number.isInteger) : [];
  const path = (x: readonly number[], y: readonly number[]) => line(x.map((value) => across(value)), y.map((value) => (shown(value) ? up(value) : Number.NaN)));
  const drawn = (
    <g>
      {tall.map((value, k) => (
        <g key={value}>
          <path d={`M${left},${up(value)}H${width - RIGHT}`} stroke="var(--grid)" />
          <text x={left - 7} y={up(value)} dy="0.32em" text-anchor="end">
            {labels[k]}
          </text>
        </g>
      ))}
      {wide.map((value) => {
        const text = value.toLocaleString("en");
        const over = across(value) + LETTER * (text.length / 2) > width;
        return (
          <text key={value} x={over ? width : across(value)} y={height - BOTTOM + 15} text-anchor={over ? "end" : "middle"}>
            {text}
          </text>
        );
      })}
      {band && <path d={path([...band.x, ...band.x.toReversed()], [...band.high, ...band.low.toReversed()])} fill="var(--positive)" opacity="0.18" />}
      {curves.map((each) => (
        <path key={each.name} d={path(each.x, each.y)} fill="none" stroke={`var(--${each.colour})`} stroke-width="1.8" stroke-linejoin="round" />
      ))}
      {curves.map((each) => each.x.length === 1 && shown(each.y[0] ?? Number.NaN) && <circle key={each.name} cx={across(each.x[0] ?? 0)} cy={up(each.y[0] ?? 0)} r="3" fill={`var(--${each.colour})`} />)}
      {curves.length > 1 &&
        curves.map((each, k) => (
          <g key={each.name} transform={`translate(${left + 90 * k} 8)`}>
            <path d="M0,0H16" stroke={`var(--${each.colour})`} stroke-width="2" />
            <text x="22" dy="0.32em">
              {each.name}
            </text>
          </g>
        ))}
    </g>
  );
  return { drawn, across, top, left };
}

/** Digits of a label: three, or as many as tell labels apart, up to all that a number has. */
const [FEW, ALL] = [3, 15];

/** What stands beside ticks; nothing where labels would be too close. */
function labelled(up: Scale, ticks: readonly number[], scale: keyof typeof SCALES): string[] {
  for (let digits = FEW; ; digits++) {
    const text = up.tickFormat(scale === "log" && ticks.length <= 6 ? Infinity : 4, `.${digits}~g`);
    const labels = ticks.map((value) => text(value) && (Number.isInteger(value) && Math.abs(value) >= 1000 && Math.abs(value) < 1e6 ? figure(value) : typeset(text(value))));
    const told = labels.filter(Boolean);
    if (digits === ALL || new Set(told).size === told.length) return labels;
  }
}

/** The least and the largest of values that are shown; where there are none, a place to stand. */
function extent(all: readonly (readonly number[])[], shown: (value: number) => boolean): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const values of all)
    for (const value of values)
      if (shown(value)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
  if (low > high) return [1, 2];
  return low === high ? [low - Math.abs(low) / 2, high + Math.abs(high) / 2 || 1] : [low, high];
}

/** A path through places in pixels; of those in one column of pixels the lowest and the highest, so that no peak is lost. */
export function line(x: readonly number[], y: readonly number[]): string {
  const parts: string[] = [];
  let begun = false;
  const go = (k: number) => {
    parts.push(`${begun ? "L" : "M"}${(x[k] as number).toFixed(1)},${(y[k] as number).toFixed(1)}`);
    begun = true;
  };
  for (let k = 0; k < x.length; ) {
    if (!Number.isFinite(y[k])) {
      begun = false;
      k++;
      continue;
    }
    let [low, high, next] = [k, k, k + 1];
    for (; next < x.length && Math.floor(x[next] as number) === Math.floor(x[k] as number) && Number.isFinite(y[next]); next++) {
      if ((y[next] as number) < (y[low] as number)) low = next;
      if ((y[next] as number) > (y[high] as number)) high = next;
    }
    go(Math.min(low, high));
    if (low !== high) go(Math.max(low, high));
    k = next;
  }
  return parts.join("");
}
