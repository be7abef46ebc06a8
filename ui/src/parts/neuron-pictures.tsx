import { figure } from "../format";
import { useWidth } from "./width";
import { ACTIVATIONS, type Forward, type Neuron } from "../neuron";

/** Of a figure beside a bar, in pixels. */
const LETTER = 9.6;

/** What pictures square must not overflow. */
const LARGEST = 1e150;

export function drawable(neuron: Neuron, now: Forward): boolean {
  return [...neuron.inputs, ...neuron.weights, neuron.bias, ...now.contributions, now.sum, now.output].every((value) => Math.abs(value) < LARGEST);
}

/** In place of a picture. */
export function TooLarge() {
  return <p class="empty">Numbers of this size cannot be drawn.</p>;
}

/** Bars that begin where the one before ends, down to the output. */
export function Contributions({ neuron, now }: { neuron: Neuron; now: Forward }) {
  const [place, width] = useWidth(640);
  const parts = [...now.contributions.map((value, at) => ({ name: `input ${at + 1}`, value })), { name: "bias", value: neuron.bias }];
  let from = 0;
  const bars = parts.map((part) => {
    const bar = { ...part, from, to: from + part.value };
    from = bar.to;
    return bar;
  });
  bars.push({ name: "sum", value: now.sum, from: 0, to: now.sum });
  const low = Math.min(0, ...bars.map((bar) => bar.to));
  const high = Math.max(0, ...bars.map((bar) => bar.to));
  const left = 64;
  const right = 12 + LETTER * Math.max(...bars.map((bar) => figure(bar.value, 6).length));
  const step = 44;
  const x = (value: number) => left + ((value - low) / (high - low || 1)) * (width - left - right);
  const height = bars.length * step + 12;
  return (
    <svg ref={place} class="picture" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`Contributions: ${bars.map((bar) => `${bar.name} ${figure(bar.value)}`).join(", ")}`}>
      <line x1={x(0)} x2={x(0)} y1={0} y2={height} stroke="var(--line)" />
      {bars.map((bar, at) => {
        const y = at * step + 10;
        const last = at === bars.length - 1;
        const end = Math.max(x(bar.from), x(bar.to));
        return (
          <g key={bar.name}>
            <text x={0} y={y + 18} font-size="14" fill="var(--quiet)" font-weight={last ? 650 : 400}>
              {bar.name}
            </text>
            <rect x={Math.min(x(bar.from), x(bar.to))} y={y} width={Math.max(Math.abs(x(bar.to) - x(bar.from)), 1.5)} height={26} rx={3} fill={last ? "var(--ink)" : bar.value < 0 ? "var(--negative)" : "var(--positive)"} />
            {!last && <line x1={x(bar.to)} x2={x(bar.to)} y1={y + 26} y2={y + step} stroke="var(--quiet)" stroke-dasharray="2 3" />}
            <text x={end + 9} y={y + 18} font-size="15" font-weight={last ? 700 : 500} fill="var(--ink)" data-contribution={bar.name}>
              {figure(bar.value, 6)}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

/** How far from 0 the curve of an activation goes, so that the sum is on it. */
function reachOf(sum: number): number {
  return Math.max(4, Math.abs(sum) * 1.25);
}

/** The curve of an activation around a sum: sums and outputs. */
export function curveOf(activation: string, sum: number): [number, number][] {
  const reach = reachOf(sum);
  const value = ACTIVATIONS[activation]?.value ?? ((s: number) => s);
  return Array.from({ length: 201 }, (_, k) => -reach + (2 * reach * k) / 200).map((s) => [s, value(s)]);
}

/** The activation around the sum, and where the neuron is on it. */
export function ActivationCurve({ activation, sum }: { activation: string; sum: number }) {
  const [place, width] = useWidth(520);
  const each = ACTIVATIONS[activation];
  if (!each) return null;
  const reach = reachOf(sum);
  const points = curveOf(activation, sum);
  const low = Math.min(0, ...points.map(([, y]) => y));
  const high = Math.max(...points.map(([, y]) => y), low + 1e-9);
  const height = Math.min(320, width * 0.62);
  const pad = 26;
  const x = (s: number) => pad + ((s + reach) / (2 * reach)) * (width - 2 * pad);
  const y = (value: number) => height - pad - ((value - low) / (high - low)) * (height - 2 * pad);
  const output = each.value(sum);
  return (
    <svg ref={place} class="picture" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`${activation} of ${figure(sum)} is ${figure(output)}`}>
      <line x1={pad} x2={width - pad} y1={y(0)} y2={y(0)} stroke="var(--line)" />
      <line x1={x(0)} x2={x(0)} y1={pad} y2={height - pad} stroke="var(--line)" />
      <path d={`M${points.map(([s, value]) => `${x(s).toFixed(2)},${y(value).toFixed(2)}`).join("L")}`} fill="none" stroke="var(--positive)" stroke-width="2.4" />
      <path d={`M${x(sum)},${y(0)}V${y(output)}H${x(0)}`} fill="none" stroke="var(--negative)" stroke-dasharray="3 4" stroke-width="1.4" />
      <circle cx={x(sum)} cy={y(output)} r={6} fill="var(--negative)" stroke="var(--card)" stroke-width="2" />
      <text x={x(sum)} y={y(0) + (output < 0 ? -9 : 18)} text-anchor="middle" font-size="13" fill="var(--quiet)">
        sum {figure(sum)}
      </text>
      <text x={x(0) + (sum > 0 ? -8 : 8)} y={y(output) + 5} text-anchor={sum > 0 ? "end" : "start"} font-size="13" fill="var(--ink)" font-weight="600">
        {figure(output)}
      </text>
    </svg>
  );
}

const SHADES = 24;

/** What inputs from the third on and the bias add to the sum. */
export function restOf(neuron: Neuron): number {
  return neuron.inputs.slice(2).reduce((total, value, k) => total + value * (neuron.weights[k + 2] ?? 0), neuron.bias);
}

/** The plane of the first two inputs: shaded by the output, with the line where the sum is 0. */
export function Plane({ neuron }: { neuron: Neuron }) {
  const [w1 = 0, w2 = 0] = neuron.weights;
  const others = restOf(neuron);
  if (neuron.inputs.length < 2) return <p class="empty">A line needs two inputs. Add one.</p>;
  const [x1 = 0, x2 = 0] = neuron.inputs;
  const reach = Math.max(6, Math.abs(x1) * 1.2, Math.abs(x2) * 1.2);
  const size = 420;
  const pad = 8;
  const px = (value: number) => pad + ((value + reach) / (2 * reach)) * (size - 2 * pad);
  const py = (value: number) => size - px(value);
  const sum = (a: number, b: number) => w1 * a + w2 * b + others;
  const most = Math.max(Math.abs(sum(reach, reach)), Math.abs(sum(-reach, reach)), Math.abs(sum(reach, -reach)), Math.abs(sum(-reach, -reach)), 1e-9);
  const cell = (2 * reach) / SHADES;
  const wide = (size - 2 * pad) / SHADES;
  const cells = Array.from({ length: SHADES * SHADES }, (_, k) => {
    const column = k % SHADES;
    const row = Math.floor(k / SHADES);
    return { column, row, value: sum(-reach + (column + 0.5) * cell, -reach + (row + 0.5) * cell) / most };
  });
  const ends = crossing(w1, w2, others, reach);
  const length = Math.hypot(w1, w2) || 1;
  const foot = [(-others * w1) / length ** 2, (-others * w2) / length ** 2] as const;
  return (
    <svg class="picture" viewBox={`0 0 ${size} ${size}`} style={{ maxWidth: "26rem", margin: "0 auto" }} role="img" aria-label={`The line ${figure(w1)} x1 + ${figure(w2)} x2 + ${figure(others)} = 0, and the point ${figure(x1)}, ${figure(x2)}`}>
      {cells.map(({ column, row, value }) => (
        <rect key={`${column},${row}`} x={pad + column * wide} y={size - pad - (row + 1) * wide} width={wide} height={wide} shape-rendering="crispEdges" fill={value < 0 ? "var(--negative)" : "var(--positive)"} opacity={0.07 + 0.4 * Math.abs(value)} />
      ))}
      <line x1={px(-reach)} x2={px(reach)} y1={py(0)} y2={py(0)} stroke="var(--quiet)" stroke-opacity=".45" />
      <line x1={px(0)} x2={px(0)} y1={py(-reach)} y2={py(reach)} stroke="var(--quiet)" stroke-opacity=".45" />
      {ends && <line x1={px(ends[0][0])} y1={py(ends[0][1])} x2={px(ends[1][0])} y2={py(ends[1][1])} stroke="var(--ink)" stroke-width="2.4" />}
      {ends && Math.abs(foot[0]) < reach && Math.abs(foot[1]) < reach && (
        <g stroke="var(--ink)" stroke-width="1.8" fill="none">
          <path d={`M${px(foot[0])},${py(foot[1])}L${px(foot[0] + (w1 / length) * reach * 0.18)},${py(foot[1] + (w2 / length) * reach * 0.18)}`} />
          <circle cx={px(foot[0] + (w1 / length) * reach * 0.18)} cy={py(foot[1] + (w2 / length) * reach * 0.18)} r="3" fill="var(--ink)" />
        </g>
      )}
      <circle cx={px(x1)} cy={py(x2)} r={7} fill="var(--ink)" stroke="var(--card)" stroke-width="2.5" />
      <text x={px(x1) + (px(x1) > size - 90 ? -12 : 12)} y={py(x2) - 9} text-anchor={px(x1) > size - 90 ? "end" : "start"} font-size="13" font-weight="600" fill="var(--ink)">
        ({figure(x1)}, {figure(x2)})
      </text>
      <text x={size - pad - 4} y={py(0) - 6} text-anchor="end" font-size="12" fill="var(--quiet)">
        input 1
      </text>
      <text x={px(0) + 7} y={pad + 14} font-size="12" fill="var(--quiet)">
        input 2
      </text>
    </svg>
  );
}

/** Where the line a·x + b·y + c = 0 enters and leaves the square of that reach; null where it misses it. */
function crossing(a: number, b: number, c: number, reach: number): [[number, number], [number, number]] | null {
  const found: [number, number][] = [];
  for (const x of [-reach, reach]) {
    const y = b === 0 ? NaN : -(a * x + c) / b;
    if (Math.abs(y) <= reach) found.push([x, y]);
  }
  for (const y of [-reach, reach]) {
    const x = a === 0 ? NaN : -(b * y + c) / a;
    if (Math.abs(x) < reach) found.push([x, y]);
  }
  const [first, second] = [found[0], found.at(-1)];
  return first && second && found.length > 1 ? [first, second] : null;
}
