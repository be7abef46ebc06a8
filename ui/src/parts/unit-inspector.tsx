import { ask, get, useLoading } from "../api";
import { text } from "../commands";
import { figure, signed } from "../format";
import { besideModel, type Kept } from "../live";
import { type Matrix, named, opened, type Which } from "../network";
import { Card, Figures, ProblemLine, SameAs, Waiting } from "./common";
import { History, type Recorded } from "./history";
import { Strengths } from "./strengths";
import { nameOfUnit, type Unit } from "./units";

interface Side {
  name: string;
  unit: number;
  value: number | null;
}

interface Now {
  name: string;
  units: number;
  step: number;
  bias: number | null;
  incoming: Side[];
  outgoing: Side[];
  norms: (number | null)[];
}

interface Told {
  ablation_loss_change: number | null;
  bias_life: (Recorded & { initial: number; final: number }) | null;
}

/** All that is known of one unit: its connections, its place in its layer, the loss without it, and the life of its bias. */
export function UnitInspector(props: { of: Which; unit: Unit; matrices: Matrix[]; inputs: string[] | null; outputs: string[] | null; step: number; saved: boolean; kept: Kept | null; onUnit: (unit: Unit) => void; onClose: () => void }) {
  const { of, unit, matrices, step } = props;
  const inputs = props.inputs?.length === matrices[0]?.shape[0] ? props.inputs : null;
  const name = named(of, nameOfUnit(matrices, unit));
  const found = useLoading((signal) => get<Now>("run/unit/strengths", { ...of, ...unit, step }, signal), [of, name, step]);
  const now = found.value;
  const outputs = props.outputs?.length === matrices.at(-1)?.shape[1] ? props.outputs : null;
  const called = (unit.column === 0 ? inputs : unit.column === matrices.length ? outputs : null)?.[unit.unit];
  return (
    <Card
      id="unit"
      title={called ? `${called} · ${name}` : name}
      sentence={now ? `One of ${now.units.toLocaleString("en")} ${unit.column === 0 ? "inputs" : "units of its layer"}; its connections are those before step ${now.step.toLocaleString("en")}${besideModel(now.step, props.kept)}.` : undefined}
      right={
        <button type="button" class="plain" onClick={props.onClose} aria-label="Close">
          ✕
        </button>
      }
      same={now && { python: connectionsIn(of, unit, matrices, now.step) }}
      exports={{ name: `${of.run.replaceAll("/", "-")}-${name}`, json: () => now, csv: () => [["connection", "weight"], [...(now?.incoming ?? []), ...(now?.outgoing ?? [])].map((each) => [each.name, each.value])] }}
    >
      {found.problem ? (
        <ProblemLine>{found.problem}</ProblemLine>
      ) : !now ? (
        <Waiting>Looking …</Waiting>
      ) : (
        <div class="stack" data-testid="unit">
          <div class="grid two">
            <Strengths title="Comes in" of={now.incoming} all={matrices[unit.column - 1]?.shape[0]} names={unit.column === 1 ? inputs : null} empty="An input: what comes in is a row's value." onChoose={(other) => props.onUnit({ column: unit.column - 1, unit: other })} />
            <Strengths title="Goes out" of={now.outgoing} all={matrices[unit.column]?.shape[1]} names={unit.column === matrices.length - 1 ? outputs : null} empty="An output: nothing comes after it." onChoose={(other) => props.onUnit({ column: unit.column + 1, unit: other })} />
          </div>
          <div class="grid two">
            <InLayer norms={now.norms} at={unit.unit} incoming={unit.column > 0} step={now.step} />
            {props.saved ? <Ended key={name} run={of.run} name={name} input={unit.column === 0} kept={props.kept} /> : <SoFar bias={now.bias} />}
          </div>
        </div>
      )}
    </Card>
  );
}

/** What comes in and what goes out, in Python. */
function connectionsIn(of: Which, { column, unit }: Unit, matrices: Matrix[], step: number): string {
  const [into, out] = [matrices[column - 1], matrices[column]];
  const weights = (matrix: Matrix, where: string) => `run.weights_at(${text(matrix.name)}, ${step}, ${of.network ?? 0})[${where}]`;
  return `run = ${opened(of)}; ${[into && weights(into, `:, ${unit}`), out && weights(out, `${unit}`)].filter(Boolean).join(", ")}`;
}

function SoFar({ bias }: { bias: number | null }) {
  return (
    <div>
      <Figures of={[["bias now", figure(bias, 6)]]} />
      <p class="empty">What the network loses without it, and the life of its bias, are told once training has ended.</p>
    </div>
  );
}

/** What the command tells that takes a moment: the rows are read, and the loss measured without the unit. */
function Ended({ run, name, input, kept }: { run: string; name: string; input: boolean; kept: Kept | null }) {
  const told = useLoading((signal) => ask<Told>("run/unit", { run, unit: name }, signal), [run, name]);
  const life = told.value?.answer.bias_life;
  if (told.problem) return <ProblemLine>{told.problem}</ProblemLine>;
  if (!told.value) return <Waiting>Measuring the loss without it …</Waiting>;
  const change = told.value.answer.ablation_loss_change;
  return (
    <div data-testid="unit-told">
      <p class="quiet small">Of the weights that were kept{kept && `, after step ${kept.step.toLocaleString("en")}`}, whichever step is shown:</p>
      <Figures
        of={[
          ["change of the loss without it", change === null ? "–" : <span data-testid="unit-ablation">{signed(change)}</span>],
          ...(life ? ([["bias at the start", figure(life.initial, 6)], ["bias in the end", <span data-testid="unit-bias">{figure(life.final, 6)}</span>]] as const) : []),
        ]}
      />
      {change === null && <p class="quiet small">The loss is made of outputs: it is not known without one.</p>}
      {life && life.history.length + life.not_kept.length > 1 ? (
        <>
          <h3 style={{ marginTop: "0.7rem" }}>Its bias before each recorded step</h3>
          <History of={life} label={`The bias of ${name} by step`} height={130} />
        </>
      ) : (
        <p class="quiet small">{input ? "An input has no bias." : "Its bias has no recorded life."}</p>
      )}
      <SameAs of={told.value} />
    </div>
  );
}

const BINS = 24;

/** How strong the units of its layer are, and where this one is. */
function InLayer({ norms, at, incoming, step }: { norms: readonly (number | null)[]; at: number; incoming: boolean; step: number }) {
  const known = norms.filter((each): each is number => each !== null);
  const own = norms[at];
  const high = Math.max(...known, 1e-12);
  const counts = Array.from({ length: BINS }, () => 0);
  for (const each of known) counts[Math.min(Math.floor((each / high) * BINS), BINS - 1)]! += 1;
  const tallest = Math.max(...counts, 1);
  const rank = own == null ? null : 1 + known.filter((each) => each > own).length;
  const x = (value: number) => 4 + (value / high) * 392;
  return (
    <div>
      <h3>In its layer</h3>
      <p class="quiet small">
        Units by the size of what {incoming ? "comes in" : "goes out"}, √Σw², before step {step.toLocaleString("en")}: this one {figure(own, 4)}
        {rank !== null && `, number ${rank.toLocaleString("en")} of ${known.length.toLocaleString("en")}`}.
      </p>
      <svg class="picture" viewBox="0 0 400 132" role="img" aria-label={`Units of the layer by size; this one is number ${rank ?? "–"}`}>
        {counts.map((count, k) => (
          <rect key={k} x={4 + (k * 392) / BINS} width={392 / BINS - 1} y={108 - (count / tallest) * 96} height={(count / tallest) * 96} fill="var(--positive)" opacity="0.75" />
        ))}
        <line x1="4" x2="396" y1="108" y2="108" stroke="var(--line)" />
        {own != null && <path d={`M${x(own)},4V114`} stroke="var(--ink)" stroke-width="2" data-testid="unit-mark" />}
        <text x="4" y="127" font-size="12" fill="var(--quiet)">
          0
        </text>
        <text x="396" y="127" font-size="12" fill="var(--quiet)" text-anchor="end">
          {figure(high, 3)}
        </text>
      </svg>
    </div>
  );
}
