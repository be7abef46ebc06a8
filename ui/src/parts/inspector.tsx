import { useState } from "preact/hooks";
import { ask, get, type Same, useLoading } from "../api";
import { text } from "../commands";
import { counted, figure, signed, typeset } from "../format";
import { besideModel, type Kept } from "../live";
import { type Frame, loadFrames, named, opened, type Which } from "../network";
import { Card, Figures, NumberField, ProblemLine, SameAs, Waiting } from "./common";
import { type Connection, nameOf, placeOf } from "./connections";
import { History, type Recorded } from "./history";

interface Life extends Recorded {
  initial: number;
  final: number;
  initializer: { name: string } | null;
  moves: { from: number; to: number; change: number }[];
  rank: number | null;
  of: number | null;
  ablation_loss_change: number | null;
  gradient: number | null;
  curvature: number | null;
  rows_up: { row: number; gradient: number }[] | null;
  rows_down: { row: number; gradient: number }[] | null;
  note: string | null;
}

interface Backprop {
  what: string;
  rows: number;
  loss: number;
  weight: {
    gradient: number;
    /** Null of a weight that is not of a dense layer. */
    product: { activations: number[]; signals: number[]; factor: number } | null;
    update: { before: number; after: number; lines: { symbol: string; formula: string; value: number }[] };
    trained: number | null;
  };
}

interface Histogram extends Same {
  step: number;
  bins: { from: number; to: number; count: number }[];
}

/** All that is known of one connection: its life, its layer, what the network is without it, and its last update. */
export function Inspector(props: { of: Which; chosen: Connection; frame: Frame; latest: Frame | undefined; steps: number[]; saved: boolean; kept: Kept | null; onClose: () => void }) {
  const name = named(props.of, nameOf(props.chosen));
  const drawn = placeOf(props.frame.matrices, props.chosen) >= 0;
  const [tab, setTab] = useState<"life" | "layer" | "update">("life");
  return (
    <Card
      id="inspector"
      title={name}
      sentence={drawn ? undefined : "It is not drawn at this step: others of its layer are stronger."}
      right={
        <span class="row">
          <span class="tabs">
            {(["life", "layer", "update"] as const).map((each) => (
              <button key={each} type="button" class="chip" aria-pressed={tab === each} onClick={() => setTab(each)}>
                {{ life: "Its life", layer: "In its layer", update: "Its last update" }[each]}
              </button>
            ))}
          </span>
          <button type="button" class="plain" onClick={props.onClose} aria-label="Close">
            ✕
          </button>
        </span>
      }
    >
      {tab === "layer" ? <InLayer key={name} {...props} /> : !props.saved ? <SoFar {...props} /> : tab === "life" ? <Whole key={name} run={props.of.run} name={name} /> : <Update key={name} run={props.of.run} name={name} steps={props.steps} kept={props.kept} />}
    </Card>
  );
}

/** While training goes on: what was recorded so far, as far as it was fetched. */
function SoFar({ of, latest, chosen }: { of: Which; latest: Frame | undefined; chosen: Connection }) {
  const value = latest?.values[placeOf(latest.matrices, chosen)];
  return (
    <div>
      <Figures of={[[latest ? `last recorded, step ${latest.step.toLocaleString("en")}` : "last recorded", figure(value, 6)]]} />
      <p class="empty">Its whole life, what the network loses without it, and the arithmetic of its updates are told once training has ended.</p>
      {latest && <SameAs of={{ python: `${opened(of)}.weights_at(${text(chosen.tensor)}, ${latest.step}, ${of.network ?? 0})[${chosen.input}, ${chosen.output}]` }} />}
    </div>
  );
}

function Whole({ run, name }: { run: string; name: string }) {
  const told = useLoading((signal) => ask<Life>("run/weight", { run, weight: name }, signal), [run, name]);
  const life = told.value?.answer;
  if (told.problem) return <ProblemLine>{told.problem}</ProblemLine>;
  if (!life || !told.value) return <Waiting>Asking for its life: gradients that were not recorded are found by training once more …</Waiting>;
  return (
    <div class="stack" data-testid="biography">
      <Figures
        of={[
          ["start", <span data-testid="initial">{figure(life.initial, 6)}</span>],
          [life.rank ? "end" : "last recorded", <span data-testid="final">{figure(life.final, 6)}</span>],
          ["moved", signed(life.final - life.initial, 4)],
          ["by size in its tensor", life.rank ? `${life.rank.toLocaleString("en")} of ${life.of?.toLocaleString("en")}` : "–"],
          ["change of the loss without it", <span data-testid="ablation">{life.ablation_loss_change === null ? "–" : signed(life.ablation_loss_change)}</span>],
          ["its gradient now", life.gradient === null ? "–" : signed(life.gradient, 3)],
          ["drawn from", life.initializer?.name ?? "–"],
        ]}
      />
      <p class="quiet small" data-testid="end">
        {life.rank ? "The end, its place and what the loss is without it are of the weights that were kept" : "The last recorded value is"}, {ending(life)}.
      </p>
      {life.note && <p class="quiet small">{life.note}</p>}
      <div class="grid two">
        <div>
          <h3>Its value before each recorded step</h3>
          <History of={life} label={`The value of ${name} by step`} height={190} />
        </div>
        <div class="scroll">
          <h3>Its largest moves</h3>
          <table>
            <thead>
              <tr>
                <th>steps</th>
                <th class="number">change</th>
              </tr>
            </thead>
            <tbody>
              {life.moves.map((move) => (
                <tr key={move.from}>
                  <td>
                    {move.from.toLocaleString("en")} → {move.to.toLocaleString("en")}
                  </td>
                  <td class={`number ${move.change < 0 ? "negative" : "positive"}`}>{signed(move.change)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {life.rows_up && life.rows_down && (
            <p class="quiet small" style={{ marginTop: "0.6rem" }}>
              Rows that would have it larger: {life.rows_up.slice(0, 5).map((each) => each.row).join(", ") || "none"}; smaller: {life.rows_down.slice(0, 5).map((each) => each.row).join(", ") || "none"}.
            </p>
          )}
        </div>
      </div>
      <SameAs of={told.value} exports={{ name: `${run.replaceAll("/", "-")}-${name}`, picture: "svg", json: () => life, csv: () => [["step", "value", "kept"], [...life.history.map((each) => [each.step, each.value, true]), ...life.not_kept.map((each) => [each.step, each.value, false])]] }} />
    </div>
  );
}

/** After which step the weight is that was kept, and how many steps came after it. */
function ending({ history, not_kept }: Recorded): string {
  const kept = history.at(-1)?.step ?? 0;
  const lost = (not_kept.at(-1)?.step ?? kept) - kept;
  return `after step ${kept.toLocaleString("en")}${lost > 0 ? `; ${counted(lost, "later step")} ${lost === 1 ? "was" : "were"} not kept` : ""}`;
}

/** How the weights of its layer were spread before a step, and what it was before the same step, where that is known. */
function InLayer({ of, chosen, frame, steps, kept }: { of: Which; chosen: Connection; frame: Frame; steps: number[]; kept: Kept | null }) {
  const { step } = frame;
  const { tensor } = chosen;
  const found = useLoading(async (signal) => {
    const spread = await get<Histogram>("run/histogram", { ...of, tensor, step }, signal); // of the step nearest to it that has one
    const [same] = spread.step === step ? [frame] : steps.includes(spread.step) ? await loadFrames(of, [spread.step], signal) : [];
    return { ...spread, value: same?.values[placeOf(same.matrices, chosen)] };
  }, [of, tensor, step]);
  if (found.problem) return <ProblemLine>{found.problem}</ProblemLine>;
  if (!found.value) return <Waiting>Counting …</Waiting>;
  const { value } = found.value;
  const bins = found.value.bins.filter((bin) => Math.abs(bin.from) > 1e-6 || Math.abs(bin.to) > 1e-6);
  const most = Math.max(...bins.map((bin) => bin.count / Math.max(bin.to - bin.from, 1e-9)), 1e-9);
  const low = Math.min(...bins.map((bin) => bin.from), 0);
  const high = Math.max(...bins.map((bin) => bin.to), 0);
  const x = (at: number) => 10 + ((at - low) / (high - low || 1)) * 620;
  const tallest = Math.sqrt(most);
  return (
    <div>
      <p class="quiet small">
        The weights of {tensor} before step {found.value.step.toLocaleString("en")}
        {besideModel(found.value.step, kept)}. They are drawn as the square root of their density, and where this one was among them: {value === undefined ? "not known" : figure(value, 6)}.
      </p>
      <svg class="picture" viewBox="0 0 640 190" role="img" aria-label={`Histogram of ${tensor}`} style={{ maxWidth: "46rem" }}>
        {bins.map((bin) => {
          const height = (Math.sqrt(bin.count / Math.max(bin.to - bin.from, 1e-9)) / tallest) * 150;
          return <rect key={bin.from} x={x(bin.from)} width={Math.max(x(bin.to) - x(bin.from) - 0.5, 0.8)} y={160 - height} height={height} fill={bin.to <= 0 ? "var(--negative)" : "var(--positive)"} opacity="0.8" />;
        })}
        <line x1="10" x2="630" y1="160" y2="160" stroke="var(--line)" />
        {value !== undefined && <path d={`M${x(value)},8V166`} stroke="var(--ink)" stroke-width="2" />}
        {[low, 0, high].map((at, k) => (
          <text key={k} x={x(at)} y="180" font-size="12" fill="var(--quiet)" text-anchor={k === 0 ? "start" : k === 2 ? "end" : "middle"}>
            {figure(at, 3)}
          </text>
        ))}
      </svg>
      <SameAs
        of={{ ...found.value, python: `${opened(of)}.tensor(${text(tensor)}, ${of.network ?? 0}).figures` }}
        exports={{ name: `${of.run.replaceAll("/", "-")}-${tensor}-step-${found.value.step}`, picture: "svg", json: () => found.value, csv: () => [["from", "to", "count"], found.value?.bins.map((bin) => [bin.from, bin.to, bin.count]) ?? []] }}
      />
    </div>
  );
}

function Update({ run, name, steps, kept }: { run: string; name: string; steps: number[]; kept: Kept | null }) {
  const last = steps.length > 1 ? (steps.at(-1) as number) - 1 : 0;
  const [step, setStep] = useState(Math.max(last, 0));
  const told = useLoading((signal) => ask<Backprop>("run/backprop", { run, step, weight: name }, signal), [run, step, name]);
  const found = told.value?.answer;
  return (
    <div class="stack">
      <label class="field" style={{ maxWidth: "12rem" }}>
        Step
        <NumberField whole low={0} value={step} onGive={setStep} />
      </label>
      {told.problem && <ProblemLine>{told.problem}</ProblemLine>}
      {told.working && <Waiting>Training once more up to that step …</Waiting>}
      {found && told.value && !told.working && (
        <div data-testid="backprop">
          <p class="quiet small" data-testid="update-step">
            From its value before step {step.toLocaleString("en")} to that before step {(step + 1).toLocaleString("en")}
            {besideModel(step + 1, kept)}.
          </p>
          {found.weight.product && <Gradient product={found.weight.product} gradient={found.weight.gradient} />}
          <div class="scroll">
            <table class="arithmetic">
              <tbody>
                {found.weight.update.lines.map((line) => (
                  <tr key={line.symbol}>
                    <td>{line.symbol}</td>
                    <td>{typeset(line.formula)}</td>
                    <td class="number">
                      <b>{figure(line.value, 7)}</b>
                    </td>
                  </tr>
                ))}
                {found.weight.trained !== null && (
                  <tr>
                    <td>what training made of it</td>
                    <td />
                    <td class="number">
                      <b>{figure(found.weight.trained, 7)}</b>
                    </td>
                  </tr>
                )}
              </tbody>
            </table>
          </div>
          <SameAs
            of={told.value}
            exports={{
              name: `${run.replaceAll("/", "-")}-${name}-update-${step}`,
              json: () => found,
              csv: () => [["symbol", "formula", "value"], [["gradient", found.weight.product ? sumOf(found.weight.product) : "the gradient", found.weight.gradient], ...found.weight.update.lines.map((line) => [line.symbol, line.formula, line.value])]],
            }}
          />
        </div>
      )}
    </div>
  );
}

type Product = NonNullable<Backprop["weight"]["product"]>;

/** Products that are written out, the largest. */
const WRITTEN = 6;

/** A gradient as what came in times what came back, a row of the batch each. */
function Gradient({ product, gradient }: { product: Product; gradient: number }) {
  const { activations, signals } = product;
  const factor = factorOf(product);
  const terms = activations.map((each, row): [number, number] => [each, signals[row] ?? 0]).sort((a, b) => Math.abs(b[0] * b[1]) - Math.abs(a[0] * a[1]));
  return (
    <div data-testid="gradient">
      <p class="quiet">
        The gradient is what came in times the error signal that came back{factor && `, times ${factor}, which the layer multiplies its sums by`}, summed over the {counted(activations.length, "row")} of the batch: {sumOf(product)} = <b>{figure(gradient, 6)}</b>. The largest products:
      </p>
      <p class="small mono">
        {terms.slice(0, WRITTEN).map(([activation, signal]) => [figure(activation), figure(signal), factor].filter(Boolean).join(" · ")).join(" + ")}
        {terms.length > WRITTEN && " + …"}
      </p>
    </div>
  );
}

/** What a layer multiplies its sums by; nothing where that is 1. */
function factorOf({ factor }: Product): string {
  return Math.abs(factor - 1) < 1e-12 ? "" : figure(factor);
}

function sumOf(product: Product): string {
  return ["Σ input · signal", factorOf(product)].filter(Boolean).join(" · ");
}
