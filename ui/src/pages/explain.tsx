import { useEffect, useMemo, useState } from "preact/hooks";
import { type Answer, ask, get, remove, type Same, useLoading } from "../api";
import { text } from "../commands";
import { figure } from "../format";
import { Chart, NUMBERS, type Spec } from "../parts/chart";
import { Card, Lead, NumberField, ProblemLine, SameAs, Waiting } from "../parts/common";
import { type Effect, type Explanation, Importance, Methods, Reliability } from "../parts/importance";
import { StrengthAndImportance } from "../parts/strength-and-importance";
import { type Range, type RowTold, type Taken, WhatIf } from "../parts/what-if";
import { go } from "../route";

interface Model {
  columns: Taken[];
  target: string;
  task: string;
}

interface Listed {
  name: string;
  kind: string;
}

interface About {
  settings: Record<string, unknown>;
}

/** Which columns matter to a model, and how far to believe it. What is explained stands in the address. */
export function Explain({ query }: { query: URLSearchParams }) {
  const files = useLoading((signal) => get<{ files: Listed[] }>("files", {}, signal), []);
  const examples = useLoading(() => get<{ examples: { name: string }[] }>("examples"), []);
  const wanted = query.get("model") ?? "";
  const there = files.value?.files ?? [];
  const model = there.some((each) => each.name === wanted) ? wanted : "";
  const models = there.filter((each) => each.name.endsWith("model.safetensors") || each.name === model);
  const tables = there.filter((each) => each.kind === "table");
  const sources = [...tables.map((each) => `table:${each.name}`), ...(examples.value?.examples ?? []).map((each) => `example:${each.name}`)];
  const trained = useTrainedOn(model, tables);
  const named = ["table", "example"].filter((kind) => query.get(kind)).map((kind) => `${kind}:${query.get(kind)}`)[0];
  const source = [named ?? trained].find((each) => each && sources.includes(each)) ?? "";
  const asked: Record<string, string> | null = useMemo(() => (model && source ? { model, ...keyed(source) } : null), [model, source]);
  const absent = files.value && examples.value && ((wanted && !model && wanted) || (named && !source && named.slice(named.indexOf(":") + 1)));
  return (
    <>
      <Lead title="Explain" name="explain">
        Which columns matter to a model, how they act, and how far that can be believed: measured on rows, by methods side by side.
      </Lead>
      <div class="stack">
        {(files.problem ?? examples.problem) && <ProblemLine>{files.problem ?? examples.problem}</ProblemLine>}
        {absent && <ProblemLine>“{absent}” is not in the folder that is served. Choose what is there.</ProblemLine>}
        <Card title="What is explained" sentence={source && source === trained ? "It was trained on this table: on rows that it knows a model looks better than it is. Best are rows that it never saw." : "Best on rows that the model never saw."}>
          <div class="fields wide">
            <label class="field">
              Model
              <select value={model} onChange={(event) => go("explain", { model: event.currentTarget.value })}>
                <option value="">Choose …</option>
                {models.map((each) => (
                  <option key={each.name}>{each.name}</option>
                ))}
              </select>
            </label>
            <label class="field">
              On the rows of
              <select value={source} onChange={(event) => go("explain", { ...(model ? { model } : {}), ...keyed(event.currentTarget.value) })}>
                <option value="">Choose …</option>
                {sources.map((each) => (
                  <option key={each} value={each}>
                    {each.replace("table:", "").replace("example:", "example ")}
                  </option>
                ))}
              </select>
            </label>
          </div>
        </Card>
        {!asked && files.value && <p class="empty">{models.length ? "Choose a model, and rows to measure on." : "No model is here yet. Train one."}</p>}
        {asked && <Answers key={JSON.stringify(asked)} asked={asked} />}
      </div>
    </>
  );
}

/** What a model was trained on, where its run tells and it is still there: such as "table:moons.csv". */
function useTrainedOn(model: string, tables: readonly Listed[]): string | null {
  const run = model.split("/").slice(0, -1).join("/");
  const told = useLoading(run ? (signal) => get<About>("run", { run }, signal).then(({ settings }) => ({ run, settings })) : null, [run]);
  if (!run || told.value?.run !== run) return null;
  const { example, table } = told.value.settings;
  if (example) return `example:${String(example)}`;
  const path = `/${String(table ?? "").replaceAll("\\", "/")}`;
  const alike = tables.filter((each) => each.name.split("/").at(-1) === path.split("/").at(-1));
  const found = alike.filter((each) => path.endsWith(`/${each.name}`)).toSorted((a, b) => b.name.length - a.name.length)[0] ?? (alike.length === 1 ? alike[0] : undefined);
  return found ? `table:${found.name}` : null;
}

/** "table:moons.csv" as a part of a question. */
function keyed(source: string): Record<string, string> {
  const end = source.indexOf(":");
  return end < 0 ? {} : { [source.slice(0, end)]: source.slice(end + 1) };
}

/** What a part of the page is asked, whom it tells what went wrong, and whether that is told elsewhere already. */
interface Telling {
  asked: Record<string, string>;
  onProblem: (problem: string | null) => void;
  told: boolean;
}

/** What is said of all rows, and of one. What goes wrong with both, as where the table cannot be used, is said once, above them. */
function Answers({ asked }: { asked: Record<string, string> }) {
  const [ofAll, tellOfAll] = useState<string | null>(null);
  const [ofOne, tellOfOne] = useState<string | null>(null);
  const told = ofAll !== null && ofAll === ofOne;
  return (
    <>
      {told && <ProblemLine>{ofAll}</ProblemLine>}
      <Whole {...{ asked, told }} onProblem={tellOfAll} />
      <OneRow {...{ asked, told }} onProblem={tellOfOne} />
    </>
  );
}

function Whole({ asked, onProblem, told: isTold }: Telling) {
  const [times, setTimes] = useState(0); // that it was asked: what failed can be asked again
  const [retrain, setRetrain] = useState(false);
  const question = retrain ? { ...asked, retrain } : asked;
  const told = useLoading(times ? (signal) => ask<Explanation>("explanation", question, signal) : null, [times]);
  useEffect(() => onProblem(told.problem), [told.problem]);
  const stop = () => {
    void remove("explanation", question);
    setTimes(0);
  };
  if (told.value && times) return <Told told={{ ...told.value, python: told.value.python ?? pasted(asked, retrain) }} />;
  if (times && !told.problem)
    return (
      <div class="row">
        <Waiting>Measuring: every method, on {asked["table"] ?? asked["example"]} …</Waiting>
        <button type="button" onClick={stop}>
          Cancel
        </button>
      </div>
    );
  return (
    <div class="stack" style={{ gap: "0.5rem" }}>
      {told.problem && !isTold && <ProblemLine>{told.problem}</ProblemLine>}
      <div class="row">
        <button type="button" class="primary" onClick={() => setTimes(times + 1)}>
          Measure what matters
        </button>
        <label class="row small" style={{ gap: "0.5rem", flexWrap: "nowrap" }}>
          <input type="checkbox" checked={retrain} onChange={(event) => setRetrain(event.currentTarget.checked)} />
          train again too: without columns, and on answers that mean nothing (slow)
        </label>
      </div>
      <p class="quiet small">Every method is asked that fits the model and the rows: from seconds to some minutes.{retrain ? "" : " Nothing is trained again."}</p>
    </div>
  );
}

/** The same in Python. */
function pasted(asked: Record<string, string>, retrain: boolean): string {
  const [model, table, example] = [asked["model"] ?? "", asked["table"], asked["example"]];
  const rows = table === undefined ? `load_example(${text(example ?? "")})[0]` : `pondera.read_table(${text(table)})`;
  const first = table === undefined ? "from pondera.tables import load_example; " : "";
  return `${first}pondera.explain(pondera.load(${text(model)}), ${rows}${retrain ? ", retrain=True" : ""})`;
}

function Told({ told }: { told: Answer<Explanation> }) {
  const { answer: found, ...same } = told;
  return (
    <>
      <Reliability {...{ found, same }} />
      <Importance {...{ found, same }} />
      <Methods {...{ found, same }} />
      {found.weights_as_importance && <StrengthAndImportance {...{ found, same }} />}
      <Effects {...{ found, same }} />
    </>
  );
}

function Effects({ found, same }: { found: Explanation; same: Same }) {
  if (found.effects.length === 0) return null;
  return (
    <Card title="How the strongest act" sentence={`What becomes of the prediction (${found.unit}) as one column changes: for rows as they are (accumulated effects), where the order of values is known, and if every row had that value, both beside their mean over the rows.`} same={same} exports={{ name: "dependence", json: () => found.effects, csv: () => [["column", "value", "every row", "rows as they are"], found.effects.flatMap((each) => each.values.map((value, k) => [each.name, value, each.mean[k], each.accumulated?.[k]]))] }}>
      <div class="legend">
        <span>
          <i style={{ background: "var(--positive)" }} />
          rows as they are
        </span>
        <span>
          <i style={{ background: "var(--negative)" }} />
          every row, dashed where values are joined
        </span>
      </div>
      <div class="multiples">
        {found.effects.map((each) => (
          <Dependence key={each.name} effect={each} />
        ))}
      </div>
      {found.pairs && <p class="small">{found.pairs}</p>}
    </Card>
  );
}

/** So many categories at most have labels that stand upright below a chart. */
const UPRIGHT = 3;

function Dependence({ effect }: { effect: Effect }) {
  const middle = effect.mean.reduce((sum, score, k) => sum + score * (effect.shares[k] ?? 0), 0);
  const dates = useMemo(() => (effect.ordered ? datesOf(effect.values) : null), [effect]);
  const rows = useMemo(() => (dates ?? effect.values).flatMap((value, k) => [{ value, at: (effect.mean[k] ?? 0) - middle, of: "every row" }, ...(effect.accumulated ? [{ value, at: effect.accumulated[k], of: "rows as they are" }] : [])]), [effect]);
  const numbers = effect.ordered && effect.values.every((value) => typeof value === "number");
  const joined = numbers || dates !== null;
  const spec: Spec = useMemo(
    () => ({
      mark: joined ? { type: "line" } : { type: "point", filled: true, size: 60 },
      encoding: {
        x: dates ? { field: "value", type: "temporal", scale: { type: "utc" }, axis: { title: null, grid: false, tickCount: 4, format: formOfDates(dates) } } : { field: "value", type: numbers ? "quantitative" : "nominal", sort: null, scale: numbers ? { zero: false } : {}, axis: { title: null, grid: false, tickCount: 4, format: numbers ? ",.3~r" : "", labelLimit: 70, ...(!numbers && effect.values.length <= UPRIGHT ? { labelAngle: 0 } : {}) } },
        y: { field: "at", type: "quantitative", scale: { zero: false }, axis: { title: null, tickCount: 4, ...NUMBERS } },
        ...(joined ? { strokeDash: { field: "of", type: "nominal", legend: null, scale: { domain: ["rows as they are", "every row"], range: [[1, 0], [4, 3]] } } } : {}),
        color: { field: "of", type: "nominal", legend: null, scale: { domain: ["rows as they are", "every row"] } },
      },
    }),
    [effect],
  );
  return (
    <figure>
      <h3>{effect.name}</h3>
      <Chart spec={spec} rows={rows} label={`How ${effect.name} acts`} height={140} />
      <SameAs exports={{ name: `dependence-${effect.name}`, picture: "svg" }} />
    </figure>
  );
}

/** Values as moments, in milliseconds; null where they are no dates. */
function datesOf(values: readonly (number | string)[]): number[] | null {
  const moments = values.map((value) => (typeof value === "string" && /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value.length > 10 ? `${value.replace(" ", "T")}Z` : value) : Number.NaN));
  return moments.length > 1 && moments.every(Number.isFinite) ? moments : null;
}

const DAY = 86_400_000;

/** How moments are written: with as much of them as tells ticks apart. */
function formOfDates(moments: readonly number[]): string {
  const days = (Math.max(...moments) - Math.min(...moments)) / DAY;
  return days > 5 * 365 ? "%Y" : days > 120 ? "%Y-%m" : days > 4 ? "%m-%d" : "%H:%M";
}

interface Table {
  columns: Range[];
  rows: number;
}

/** Whether training saw such a row, as the command line says it. */
function seen(known: boolean | null): string {
  return known === null ? "" : ` Its values are those of ${known ? "a row that was trained on" : "no row that was trained on"}.`;
}

/** Milliseconds for which a row must be asked for before it is explained. */
const STEADY = 300;

/** One row: what each column adds to its score, and what would be predicted if a value were another. */
function OneRow({ asked, onProblem, told: isTold }: Telling) {
  const [row, setRow] = useState(0);
  const told = useLoading(async (signal) => {
    await new Promise((done) => setTimeout(done, STEADY)); // whoever steps through rows does not want every one explained
    signal.throwIfAborted();
    return ask<RowTold>("explanation", { ...asked, row }, signal);
  }, [row]);
  useEffect(() => onProblem(told.problem), [told.problem]);
  const query = asked["table"] ? { file: asked["table"] } : { example: asked["example"] ?? "" };
  const table = useLoading((signal) => get<Table>("table", query, signal), []);
  const model = useLoading((signal) => get<Model>("model", { model: asked["model"] ?? "" }, signal), []);
  const answer = told.value?.answer.row === row ? told.value : null; // another row's is not shown while this one's is waited for
  const found = answer?.answer;
  const last = table.value ? table.value.rows - 1 : null;
  return (
    <Card
      title="One row, and what would be if"
      sentence={found ? `What each column adds to the prediction (${found.unit}): together with ${figure(found.baseline)}, where rows begin, they make ${figure(found.score)}.${seen(found.row_seen)}` : undefined}
      right={
        <label class="row small">
          row, {last === null ? "from 0" : `from 0 to ${last.toLocaleString("en")}`}
          <NumberField whole low={0} high={last ?? undefined} value={row} style={{ width: "5.5rem" }} onGive={setRow} />
        </label>
      }
      same={answer}
      exports={{ name: `row-${row}`, empty: !found, json: () => found, csv: () => [["column", "value", "contribution", "error"], (found?.contributions ?? []).map((each) => [each.name, each.value, each.contribution, each.error])] }}
    >
      {told.problem ? !isTold && <ProblemLine>{told.problem}</ProblemLine> : found ? <WhatIf key={row} model={asked["model"] ?? ""} found={found} ranges={table.value?.columns ?? []} columns={model.value?.columns ?? []} /> : <Waiting>Asking every coalition of columns that there is time for …</Waiting>}
    </Card>
  );
}
