import { useEffect, useMemo } from "preact/hooks";
import { figure, signed } from "../format";
import type { Matrix } from "../network";
import { Card, Figures } from "../parts/common";
import { connectionOf, nameOf, placeOf } from "../parts/connections";
import { NetworkPicture } from "../parts/network-picture";
import { useReplay } from "../parts/replay";
import { Strengths } from "../parts/strengths";
import { Transport } from "../parts/transport";
import { nameOfUnit, strengthsOf, type Unit } from "../parts/units";
import { floats, type Model, useTrait } from "./model";

interface Content {
  title: string;
  matrices: Matrix[];
  inputs: string[] | null;
  /** The recorded steps; none of a network that is not replayed. */
  steps: number[];
}

/** A network as it is drawn on the pages; with recorded steps, its life, which a slider goes through. */
export function NetworkWidget({ model }: { model: Model }) {
  const [content] = useTrait<Content>(model, "content");
  const [raw] = useTrait<unknown>(model, "values");
  const [chosen, choose] = useTrait<string>(model, "chosen");
  const [step, setStep] = useTrait<number>(model, "step");
  const { matrices, inputs, steps } = content;
  const count = Math.max(steps.length, 1);
  const frames = useMemo(() => {
    const all = floats(raw);
    const width = all.length / count;
    return Array.from({ length: count }, (_, k) => all.subarray(k * width, (k + 1) * width));
  }, [raw, count]);
  const replay = useReplay(count, place(steps, step));
  const now = frames[replay.place] ?? new Float32Array();
  useEffect(() => {
    if (steps.length && place(steps, step) !== replay.place) replay.show(place(steps, step));
  }, [step]);
  useEffect(() => {
    const shown = steps[replay.place];
    if (shown !== undefined) setStep(shown);
  }, [replay.place]);
  const { connection, drawn } = useMemo(() => {
    const connection = connectionOf(chosen);
    return { connection, drawn: connection ? placeOf(matrices, connection) : -1 };
  }, [matrices, chosen]);
  const unit = useMemo(() => unitOf(matrices, chosen), [matrices, chosen]);
  return (
    <Card
      title={content.title}
      sentence={drawn >= 0 || unit ? undefined : "Choose a connection or a unit."}
      right={steps.length > 0 && <span class="quiet small">step {(steps[replay.place] ?? 0).toLocaleString("en")}</span>}
      exports={{ name: "network", picture: "canvas" }}
    >
      <NetworkPicture matrices={matrices} values={now} chosen={connection} onChoose={(found) => choose(nameOf(found))} unit={unit} onUnit={(found) => choose(nameOfUnit(matrices, found))} inputs={inputs} height={360} />
      {steps.length > 1 && <Transport id="replay" place={replay.place} count={count} playing={replay.playing} now={null} onPlay={replay.play} onTouch={() => undefined} onMove={replay.show} onNow={() => undefined} />}
      {connection && drawn >= 0 && <Connection name={nameOf(connection)} values={frames.map((each) => each[drawn] ?? NaN)} at={replay.place} />}
      {unit && <OneUnit unit={unit} matrices={matrices} values={now} inputs={inputs} onUnit={(next) => choose(nameOfUnit(matrices, next))} />}
    </Card>
  );
}

/** One connection at all recorded steps. */
function Connection({ name, values, at }: { name: string; values: number[]; at: number }) {
  const first = values[0] ?? NaN;
  const now = values[at] ?? NaN;
  return (
    <div class="stack" style={{ marginTop: "0.9rem" }} data-testid="connection">
      <h3 class="mono">{name}</h3>
      <Figures of={[["weight", <span data-testid="weight">{figure(now, 6)}</span>], ...(values.length > 1 ? ([["start", figure(first, 6)], ["moved", signed(now - first, 4)]] as const) : [])]} />
      {values.length > 1 && <Path values={values} at={at} label={`${name} by recorded step`} />}
    </div>
  );
}

/** The way of one weight through the recorded steps, evenly apart, and where the replay is. */
function Path({ values, at, label }: { values: number[]; at: number; label: string }) {
  const known = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...known, 0), Math.max(...known, 0)];
  const x = (k: number) => 4 + (k / Math.max(values.length - 1, 1)) * 592;
  const y = (value: number) => 84 - ((value - low) / (high - low || 1)) * 78;
  return (
    <svg class="picture" viewBox="0 0 600 90" role="img" aria-label={label} style={{ maxWidth: "40rem" }}>
      <line x1="0" x2="600" y1={y(0)} y2={y(0)} stroke="var(--line)" />
      <path d={`M${x(at)},2V88`} stroke="var(--quiet)" stroke-dasharray="2 3" />
      <polyline points={values.map((value, k) => `${x(k).toFixed(1)},${y(Number.isFinite(value) ? value : 0).toFixed(1)}`).join(" ")} fill="none" stroke="var(--positive)" stroke-width="1.8" />
      <circle cx={x(at)} cy={y(values[at] ?? 0)} r="4" fill="var(--positive)" />
    </svg>
  );
}

function OneUnit(props: { unit: Unit; matrices: Matrix[]; values: Float32Array; inputs: string[] | null; onUnit: (unit: Unit) => void }) {
  const { unit, matrices, inputs } = props;
  const { incoming, outgoing } = strengthsOf(matrices, props.values, unit);
  const called = unit.column === 0 ? inputs?.[unit.unit] : undefined;
  const some = matrices.some((each) => each.places.length < each.shape[0] * each.shape[1]);
  return (
    <div class="stack" style={{ marginTop: "0.9rem" }} data-testid="unit">
      <h3 class="mono">{called ? `${called} · ${nameOfUnit(matrices, unit)}` : nameOfUnit(matrices, unit)}</h3>
      <div class="grid two">
        <Strengths title="Comes in" of={incoming} names={unit.column === 1 ? inputs : null} empty={unit.column === 0 ? "An input." : "Nothing that is drawn."} onChoose={(other) => props.onUnit({ column: unit.column - 1, unit: other })} shown={8} />
        <Strengths title="Goes out" of={outgoing} empty={unit.column === matrices.length ? "An output." : "Nothing that is drawn."} onChoose={(other) => props.onUnit({ column: unit.column + 1, unit: other })} shown={8} />
      </div>
      {some && <p class="quiet small">Of the connections that are drawn: the strongest of each layer.</p>}
    </div>
  );
}

/** The place of the recorded step nearest to one; the last where none is asked for. */
function place(steps: readonly number[], step: number): number {
  if (step < 0 || steps.length === 0) return Math.max(steps.length - 1, 0);
  return steps.reduce((best, each, k) => (Math.abs(each - step) < Math.abs((steps[best] ?? 0) - step) ? k : best), 0);
}

/** The unit of a name such as `layers.1[7]` or `inputs[0]`. */
function unitOf(matrices: readonly Matrix[], name: string): Unit | null {
  const [, layer, unit] = /^(.+)\[(\d+)\]$/.exec(name) ?? [];
  if (layer === undefined) return null;
  const column = layer === "inputs" ? 0 : 1 + matrices.findIndex((each) => each.name.replace(/\.weight$/, "") === layer);
  if (column === 0 && layer !== "inputs") return null;
  const units = column === 0 ? matrices[0]?.shape[0] : matrices[column - 1]?.shape[1];
  return Number(unit) < (units ?? 0) ? { column, unit: Number(unit) } : null;
}
