import { useEffect, useMemo, useState } from "preact/hooks";
import { get, remove, type Same, sentence, useLoading } from "../api";
import { figure } from "../format";
import { type Curves, EPOCH } from "../live";
import { Chart, NUMBERS, type Spec } from "../parts/chart";
import { Bin } from "../parts/bin";
import { Card, Lead, Name, ProblemLine, Waiting } from "../parts/common";
import { goesOn } from "../pulse";
import { to } from "../route";

interface Overview {
  run: string;
  state: string;
  activity: string;
  began: string;
  steps: number;
  epochs: number;
  settings: Record<string, unknown>;
  losses: number[];
  best: number | null;
  metric: string;
  problem: string | null;
}

/** A training that gets ready, or failed before there was a run. */
interface Begun {
  run: string;
  activity: string;
  error: string | null;
}

interface Found extends Same {
  runs: Overview[];
  /** The settings in which runs differ, each with the values of all of them. */
  differences: Record<string, unknown[]>;
  left_out: string | null;
  without_run: Begun[];
}

const MOST_OVERLAID = 6;

/** All runs of the folder: found, laid over each other, compared, put into the bin. */
export function Runs() {
  const [count, again] = useState(0);
  const [search, setSearch] = useState("");
  const [chosen, choose] = useState<string[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const [said, say] = useState("");
  const found = useLoading((signal) => get<Found>("runs", {}, signal), [count]);
  const runs = found.value?.runs ?? [];
  const begun = found.value?.without_run ?? [];
  useEffect(() => {
    if (![...runs, ...begun].some((each) => goesOn(each.activity))) return;
    const timer = setTimeout(() => again(count + 1), 3000);
    return () => clearTimeout(timer);
  }, [found.value]);
  const shown = runs.filter((each) => matches(each, search)).toReversed();
  const early = begun.filter((each) => matches(each, search));
  const toggle = (run: string) => choose(chosen.includes(run) ? chosen.filter((each) => each !== run) : [...chosen, run].slice(-MOST_OVERLAID));
  const toBin = async (run: string) => {
    setProblem(null);
    try {
      const { moved_to } = await remove<{ moved_to: string }>("run", { run });
      say(`${run} is in the bin: ${moved_to}. It can be put back below.`);
      choose(chosen.filter((each) => each !== run));
      again(count + 1);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  const forget = async (run: string) => {
    setProblem(null);
    try {
      await remove("training", { run });
      again(count + 1);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  return (
    <>
      <Lead title="Runs" name="runs" more={<a class="button primary-link" href={to("train")}>Train</a>}>
        Every training leaves a run behind, from this page or from a command line. Choose some to lay their curves over each other.
      </Lead>
      <div class="stack">
        {(problem ?? found.problem) && <ProblemLine>{problem ?? found.problem}</ProblemLine>}
        <Card
          title="In this folder"
          right={<input type="search" placeholder="Search names and settings" aria-label="Search" style={{ width: "15rem" }} value={search} onInput={(event) => setSearch(event.currentTarget.value)} />}
          same={found.value}
          exports={{ name: "runs", empty: shown.length === 0, json: () => shown, csv: () => [["run", "state", "began", "epochs", "steps", "metric", "best"], shown.map((each) => [each.run, each.state, each.began, each.epochs, each.steps, each.metric, each.best])] }}
        >
          {said && (
            <p class="quiet" role="status">
              {said}
            </p>
          )}
          {found.value?.left_out && <p class="quiet small">{found.value.left_out}</p>}
          {early.map((each) => (
            <p key={each.run} class="row" data-testid="without-run">
              <a href={to("run", { run: each.run })} aria-label={each.run}>{each.run}</a> <span class={`badge ${each.activity}`}>{each.activity}</span>
              {each.error && <span class="grave small">{each.error}</span>}
              {each.activity === "failed" && (
                <button type="button" class="plain" aria-label={`Forget ${each.run}`} onClick={() => void forget(each.run)}>
                  Forget
                </button>
              )}
            </p>
          ))}
          {!found.value ? (
            found.working && <Waiting>Looking …</Waiting>
          ) : shown.length === 0 ? (
            (early.length === 0 || !search.trim()) && <p class="empty">{runs.length + begun.length > 0 && search.trim() ? "No run matches." : "No run is here yet. Train one."}</p>
          ) : (
            <div class="scroll">
              <table data-testid="runs">
                <thead>
                  <tr>
                    <th>
                      <span class="hidden">lay over</span>
                    </th>
                    <th>run</th>
                    <th>state</th>
                    <th class="wide">began</th>
                    <th class="number wide">epochs</th>
                    <th class="number wide">steps</th>
                    <th class="wide">loss</th>
                    <th class="number wide">best</th>
                    <th>
                      <span class="hidden">delete</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {shown.map((each) => (
                    <tr key={each.run} class={chosen.includes(each.run) ? "chosen" : ""}>
                      <td>
                        <input type="checkbox" aria-label={`Lay ${each.run} over others`} checked={chosen.includes(each.run)} onChange={() => toggle(each.run)} />
                      </td>
                      <td class="name">
                        <a href={to("run", { run: each.run })}>
                          <Name>{each.run}</Name>
                        </a>
                        <div class="quiet small narrow">{inShort(each)}</div>
                        {each.problem && <div class="grave small">{each.problem}</div>}
                      </td>
                      <td>
                        <span class={`badge ${each.activity}`}>{each.activity === "ended" ? each.state : each.activity}</span>
                      </td>
                      <td class="quiet one-line wide">{each.began.slice(5, 16).replace("T", " ")}</td>
                      <td class="number wide">{each.epochs.toLocaleString("en")}</td>
                      <td class="number wide">{each.steps.toLocaleString("en")}</td>
                      <td class="wide">
                        <Sparkline values={each.losses} />
                      </td>
                      <td class="number wide">
                        {each.best === null ? "–" : `${each.metric} ${figure(each.best)}`}
                        {each.best !== null && ofWhich(each) && <div class="quiet small">{ofWhich(each)}</div>}
                      </td>
                      <td class="number">
                        <button type="button" class="plain" aria-label={`Put ${each.run} into the bin`} onClick={() => void toBin(each.run)} disabled={each.activity !== "ended" && each.activity !== "failed"}>
                          Bin
                        </button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </Card>
        {chosen.length > 0 && <Overlay runs={runs.filter((each) => chosen.includes(each.run))} />}
        <Bin
          on={count}
          onRestored={(run, was) => {
            say(run === was ? `${run} is back.` : `${was} is back as ${run}: another run has its name.`);
            again(count + 1);
          }}
        />
      </div>
    </>
  );
}

/** Whether all words are in what is known: of a training without a run, its name, what it does and why it failed. */
function matches(run: Overview | Begun, search: string): boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const more = "state" in run ? `${run.state} ${JSON.stringify(run.settings)}` : (run.error ?? "");
  const text = `${run.run} ${run.activity} ${more}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** What stands under the name where there is no room for columns. */
function inShort(run: Overview): string {
  const loss = run.losses.at(-1);
  return [loss === undefined ? "" : `loss ${figure(loss)}`, run.best === null ? "" : `best ${run.metric} ${figure(run.best)}`, run.best === null ? "" : ofWhich(run)].filter(Boolean).join(" · ");
}

/** Of which of several networks its figures are; nothing of one. */
function ofWhich({ settings }: Overview): string {
  const networks = Number(settings["seeds"] ?? 1);
  return networks > 1 ? `network 0 of ${networks.toLocaleString("en")}` : "";
}

function Sparkline({ values }: { values: number[] }) {
  if (values.length < 2) return <span class="quiet">–</span>;
  const low = Math.min(...values);
  const high = Math.max(...values);
  const points = values.map((value, at) => `${((at / (values.length - 1)) * 96 + 2).toFixed(1)},${(20 - ((value - low) / (high - low || 1)) * 16).toFixed(1)}`);
  return (
    <svg width="100" height="22" viewBox="0 0 100 22" role="img" aria-label={`from ${figure(values[0])} to ${figure(values.at(-1))}`}>
      <polyline points={points.join(" ")} fill="none" stroke="var(--positive)" stroke-width="1.6" />
    </svg>
  );
}

type Of = "loss" | "metric";

interface Point {
  run: string;
  epoch: number;
  value: number;
}

/** Runs that are measured in the same way, on one scale. */
interface Measured {
  name: string;
  /** The name, with what it is of where that makes a difference. */
  measure: string;
  points: Point[];
}

function Overlay({ runs }: { runs: Overview[] }) {
  const [of, setOf] = useState<Of>("loss");
  const names = runs.map((each) => each.run).join("\n");
  const known = runs.map((each) => `${each.run} ${each.epochs}`).join("\n"); // curves grow as long as somebody trains
  const loaded = useLoading(async (signal) => new Map(await Promise.all(runs.map(async ({ run }) => [run, await get<Curves>("run/curves", { run }, signal)] as const))), [known]);
  const charts = useMemo(() => measured(runs, loaded.value ?? new Map(), of), [names, loaded.value, of]);
  const compared = useLoading((signal) => get<Found>("runs", { run: runs.map((each) => each.run) }, signal), [names]);
  const differences = Object.entries(compared.value?.differences ?? {});
  const tabs = (
    <span class="tabs">
      {(["loss", "metric"] as const).map((each) => (
        <button key={each} type="button" class="chip" aria-pressed={of === each} onClick={() => setOf(each)}>
          {each}
        </button>
      ))}
    </span>
  );
  return (
    <>
      {charts.length === 0 && (
        <Card title="Laid over each other" right={tabs}>
          {loaded.problem ? <ProblemLine>{loaded.problem}</ProblemLine> : loaded.working ? <Waiting>Reading the curves …</Waiting> : <p class="empty">There is nothing to draw: no epoch is complete, or no rows were held out.</p>}
        </Card>
      )}
      {charts.map(({ name, measure, points }, at) => (
        <Card
          key={measure}
          title={charts.length > 1 ? `Laid over each other: ${measure}` : "Laid over each other"}
          sentence={`${charts.length > 1 && at === 0 ? "They are not measured in the same way: each measure has a chart of its own. " : ""}The ${measure}, by epoch, on the rows held out where there are any.`}
          right={at === 0 && tabs}
          same={compared.value}
          exports={{ name: charts.length > 1 ? `overlay-${of}-${at + 1}` : `overlay-${of}`, picture: "svg", csv: () => [["run", EPOCH, measure], points.map((row) => [row.run, row.epoch - 1, row.value])] }}
        >
          <Chart spec={overlaid(of, name, runs.map((each) => each.run), [...new Set(points.map((each) => each.run))])} rows={points} label={charts.length > 1 ? `${of} of the chosen runs: ${measure}` : `${of} of the chosen runs`} height={260} />
        </Card>
      ))}
      {runs.length > 1 && (
        <Card title="They differ in" sentence="Settings of the command line and of the plan it led to." same={compared.value} exports={{ name: "differences", empty: differences.length === 0, json: () => compared.value?.differences, csv: () => [["setting", ...(compared.value?.runs ?? []).map((each) => each.run)], differences.map(([name, values]) => [name, ...values.map(told)])] }}>
          {!compared.value ? (
            <Waiting>Comparing …</Waiting>
          ) : differences.length === 0 ? (
            <p class="empty">Nothing: they are the same training.</p>
          ) : (
            <div class="scroll">
              <table>
                <thead>
                  <tr>
                    <th>setting</th>
                    {compared.value.runs.map((each) => (
                      <th key={each.run} class="number">
                        {each.run}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {differences.map(([name, values]) => (
                    <tr key={name}>
                      <td>{name}</td>
                      {inWords(name, values).map((value, at) => (
                        <td key={at} class="number" title={told(values[at])}>
                          {value}
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </Card>
      )}
    </>
  );
}

/** Settings that are files. */
const FILES = ["table", "test"];

/** Values of a setting in words: of files their names without the folders, where these tell them apart. */
function inWords(setting: string, values: readonly unknown[]): string[] {
  const all = values.map(told);
  if (!FILES.includes(setting)) return all;
  const names = all.map((each) => each.split(/[\\/]/).at(-1) ?? each);
  return new Set(names).size === new Set(all).size ? names : all;
}

function told(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "object") return "name" in value ? String(value.name) : JSON.stringify(value);
  return typeof value === "number" ? figure(value) : String(value);
}

/** The curves of runs, those of one measure together. */
function measured(runs: readonly Overview[], curves: ReadonlyMap<string, Curves>, of: Of): Measured[] {
  const found = new Map<string, Measured>();
  for (const run of runs) {
    const points = (curves.get(run.run)?.epochs ?? []).flatMap((each) => {
      const value = of === "metric" ? each.validation_metric : (each.validation_loss ?? each.training_loss);
      return value === null || (of === "loss" && value <= 0) ? [] : [{ run: run.run, epoch: each.epoch + 1, value }];
    });
    const name = of === "metric" ? run.metric || "metric" : told(run.settings["plan.loss"]).replaceAll("_", " ");
    const measure = `${name}${whatOf(run)}${of === "loss" && scaled(run) ? ", standardized" : ""}`;
    if (points.length > 0) found.set(measure, { name, measure, points: [...(found.get(measure)?.points ?? []), ...points] });
  }
  return [...found.values()];
}

/** What a figure of a run is of, where others' are of something else: errors of numbers, in a table of their own. */
function whatOf({ settings, metric }: Overview): string {
  if (metric === "accuracy") return "";
  const source = String(settings["example"] ?? settings["table"] ?? "").split("/").at(-1);
  return `${settings["target"] ? ` of ${told(settings["target"])}` : ""}${source ? ` in ${source}` : ""}`;
}

/** Whether errors are of answers with deviation 1, as the name of the metric says. */
function scaled({ settings, metric }: Overview): boolean {
  return metric.endsWith("/std") && told(settings["plan.loss"]) !== "poisson";
}

function overlaid(of: Of, name: string, runs: string[], shown: string[]): Spec {
  return {
    mark: { type: "line", clip: true },
    encoding: {
      x: { field: "epoch", type: "quantitative", axis: { title: "epoch", grid: false, tickMinStep: 1 } },
      y: { field: "value", type: "quantitative", scale: of === "loss" ? { type: "log", nice: false } : { zero: false }, axis: { title: name, tickCount: 6, ...NUMBERS, format: ".4~g" } },
      color: { field: "run", type: "nominal", scale: { domain: runs }, legend: { values: shown } },
    },
  };
}
