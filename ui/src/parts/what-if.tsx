import { useEffect, useState } from "preact/hooks";
import { post, sentence } from "../api";
import { literal, text } from "../commands";
import { figure, share, signed } from "../format";
import { Bar, Field, Name, ProblemLine, SameAs, Slider } from "./common";

export type Value = number | string | boolean | null;

export interface RowTold {
  row: number;
  unit: string;
  score: number;
  baseline: number;
  prediction: string | null;
  /** Whether training saw a row of its values; null where that is not known. */
  row_seen: boolean | null;
  contributions: { name: string; value: Value; contribution: number; error: number }[];
  change: { columns: string[]; before: unknown[]; after: unknown[]; prediction: string } | null;
}

/** A column as a model takes it. */
export interface Taken {
  name: string;
  kind: "numeric" | "boolean" | "category" | "date";
  /** The categories that it knows. */
  values: string[];
  /** Whether it was trained on rows that lack it. */
  missing: boolean;
}

/** The least and the largest number of a column of the table; null where it has none. */
export interface Range {
  name: string;
  low: number | null;
  high: number | null;
}

interface Predicted {
  prediction: string | number;
  probabilities: Record<string, number> | null;
  /** The range of training's answers, where the prediction is an end of it. */
  kept_within: [number, number] | null;
}

/** Columns that are shown until all are asked for. */
const SHOWN = 12;

/** What a row's columns add, and its values to be changed. */
export function WhatIf({ model, found, ranges, columns }: { model: string; found: RowTold; ranges: readonly Range[]; columns: readonly Taken[] }) {
  const [changed, setChanged] = useState<Record<string, Value>>({});
  const [now, setNow] = useState<Predicted | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const values: Record<string, Value> = { ...Object.fromEntries(found.contributions.map((each) => [each.name, each.value])), ...changed };
  useEffect(() => {
    let gone = false;
    post<Predicted>("prediction", {}, { model, values }).then(
      (answer) => {
        if (gone) return;
        setNow(answer);
        setProblem(null);
      },
      (error: unknown) => {
        if (gone) return;
        setNow(null);
        setProblem(sentence(error));
      },
    );
    return () => {
      gone = true;
    };
  }, [changed]);
  const [all, showAll] = useState(false);
  const shown = found.contributions.filter((each, place) => all || place < SHOWN || each.name in changed);
  const most = Math.max(...found.contributions.map((each) => Math.abs(each.contribution)), 0);
  return (
    <>
      {problem && <ProblemLine>{problem}</ProblemLine>}
      <div class="grid two">
        <div class="scroll">
          <table data-testid="contributions">
            <tbody>
              {shown.map((each) => (
                <tr key={each.name}>
                  <td class="name">
                    <Name>{each.name}</Name> <span class="quiet">{told(each.value)}</span>
                  </td>
                  <td style={{ width: "45%" }}>
                    <Bar value={each.contribution} most={most} signed />
                  </td>
                  <td class={`number ${each.contribution < 0 ? "negative" : "positive"}`}>{signed(each.contribution, 3)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <div class="stack">
          <div>
            <p class="quiet small">{Object.keys(changed).length ? "What would be predicted:" : "What is predicted:"}</p>
            <p class="formula" data-testid="prediction">
              <b>{typeof now?.prediction === "number" ? figure(now.prediction, 5) : (now?.prediction ?? "…")}</b>
              {now?.probabilities && <span class="quiet"> {share(now.probabilities[String(now.prediction)])}</span>}
            </p>
            {now?.kept_within && (
              <p class="quiet small" data-testid="kept-within">
                Kept within the answers of training, {figure(now.kept_within[0], 5)} to {figure(now.kept_within[1], 5)}: the network alone says {now.prediction === now.kept_within[0] ? "no more than that" : "no less than that"}.
              </p>
            )}
            {found.change && (
              <p class="quiet small">
                The nearest change that turns it into {found.change.prediction}: {found.change.columns.map((name, k) => `${name} from ${told(found.change?.before[k])} to ${told(found.change?.after[k])}`).join(", ")}.
              </p>
            )}
          </div>
          <div class="stack" style={{ gap: "0.35rem" }}>
            {shown.map(({ name, value: own }) => {
              const column = columns.find((each) => each.name === name);
              if (!column) return null;
              const value = name in changed ? (changed[name] as Value) : own;
              return <Control key={name} {...{ column, own, value }} range={ranges.find((each) => each.name === name)} onChange={(next) => setChanged({ ...changed, [name]: next })} />;
            })}
          </div>
          <div class="row">
            <button type="button" disabled={Object.keys(changed).length === 0} onClick={() => setChanged({})}>
              Back to the row
            </button>
            {found.contributions.length > SHOWN && (
              <button type="button" aria-expanded={all} onClick={() => showAll(!all)}>
                {all ? `The ${SHOWN} that count the most` : `All ${found.contributions.length} columns, not the ${SHOWN} that count the most`}
              </button>
            )}
          </div>
        </div>
      </div>
      {Object.keys(changed).length > 0 && <SameAs of={{ python: pasted(model, `{${columns.map(({ name }) => `${text(name)}: [${literal(values[name] ?? null)}]`).join(", ")}}`, Boolean(now?.probabilities)) }} />}
    </>
  );
}

/** What predicts a row in Python; of classes, each with its probability. */
function pasted(model: string, row: string, classes: boolean): string {
  const loaded = `pondera.load(${text(model)})`;
  return classes ? `model = ${loaded}; dict(zip(model.classes_.tolist(), model.predict_proba(${row})[0].tolist()))` : `${loaded}.predict(${row})`;
}

interface Controlled {
  column: Taken;
  /** What the row has. */
  own: Value;
  value: Value;
  range: Range | undefined;
  onChange: (value: Value) => void;
}

/** What changes a value, as the model takes the column: a number that was trained as a category is chosen, not slid. */
function Control(props: Controlled) {
  const { column } = props;
  if (column.kind === "category") return <Choice {...props} known={column.values} />;
  if (column.kind === "boolean") return <Choice {...props} known={[true, false]} />;
  return column.kind === "numeric" ? <Numeric {...props} /> : <Typed {...props} />;
}

/** One of the values that a model knows; the row's own too, and a missing one where it has a meaning. */
function Choice({ column, own, value, onChange, known }: Controlled & { known: readonly Value[] }) {
  const same = (one: Value, other: Value) => (one === null || other === null ? one === other : String(one) === String(other));
  const options = [...(known.some((each) => same(each, own)) || own === null ? [] : [own]), ...known, ...(column.missing || own === null ? [null] : [])];
  return (
    <div class="slider">
      <label for={`value-${column.name}`}>
        <Name>{column.name}</Name>
      </label>
      <select id={`value-${column.name}`} value={options.findIndex((each) => same(each, value))} onChange={(event) => onChange(options[Number(event.currentTarget.value)] ?? null)}>
        {options.map((each, at) => (
          <option key={at} value={at}>
            {each === null ? "missing" : String(each)}
          </option>
        ))}
      </select>
    </div>
  );
}

/** A number; between the least and the largest of the table a slider too. */
function Numeric({ column, own, value, range, onChange }: Controlled) {
  const { name } = column;
  const given = value === null ? null : Number(value);
  const bounds = range?.low != null && range.high != null ? { low: range.low, high: range.high } : null;
  const middle = bounds ? (bounds.low + bounds.high) / 2 : 0;
  return (
    <div class="row">
      <div class="grow">
        {given === null ? (
          <div class="slider">
            <span>
              <Name>{name}</Name>
            </span>
            <span class="quiet small">missing</span>
          </div>
        ) : bounds ? (
          <Slider name={name} label={<Name>{name}</Name>} value={given} {...bounds} onChange={onChange} />
        ) : (
          <Typed {...{ column, own, value, range }} onChange={(text) => onChange(Number.isFinite(Number(text)) ? Number(text) : text)} />
        )}
      </div>
      {given !== null && bounds && (given < bounds.low || given > bounds.high) && (
        <p class="quiet small beyond">
          Beyond the table, {figure(bounds.low)} to {figure(bounds.high)}
        </p>
      )}
      {(column.missing || own === null) && (
        <button type="button" class="chip" aria-pressed={given === null} aria-label={`${name} is missing`} onClick={() => onChange(given === null ? (own ?? middle) : null)}>
          missing
        </button>
      )}
    </div>
  );
}

/** Whatever the model reads, such as a date; nothing is a missing value. */
function Typed({ column, value, onChange }: Controlled) {
  return (
    <div class="slider">
      <label for={`value-${column.name}`}>
        <Name>{column.name}</Name>
      </label>
      <Field id={`value-${column.name}`} value={value === null ? "" : String(value)} placeholder={column.kind === "date" ? "missing; such as 2024-01-31" : "missing"} onGive={(text) => onChange(text.trim() || null)} />
    </div>
  );
}

function told(value: unknown): string {
  return typeof value === "number" ? figure(value) : value === null ? "missing" : String(value);
}
