import { useEffect, useState } from "preact/hooks";
import { get, post, Problem, type Same, sentence, useLoading } from "../api";
import { loadCharts } from "../parts/chart";
import { ColumnsTable } from "../parts/columns-table";
import { Card, Lead, ProblemLine, SameAs, Waiting } from "../parts/common";
import { free, kept, LABELS, type Plan, refused, rememberForm, restored, type Source, suggested, type Table, wanted } from "../parts/plan";
import { PlanFields } from "../parts/plan-fields";
import { TableChoice } from "../parts/table-choice";
import { go, keep, useRoute } from "../route";

/** From a table to a training: which rows, which column, which network. What is chosen stands in the address. */
export function Train() {
  const { query } = useRoute();
  const source = given(query);
  useEffect(() => void loadCharts().catch(() => undefined), []); // the training's page has charts
  return (
    <>
      <Lead title="Train" name="train">
        Choose a table, say which column is to be predicted, and watch a network learn it. The defaults are sound; change what you like.
      </Lead>
      <div class="stack">
        <TableChoice source={source} onChoose={(chosen) => go("train", named(chosen))} />
        {source && <Described key={JSON.stringify(source)} source={source} query={query} />}
      </div>
    </>
  );
}

function given(query: URLSearchParams): Source | null {
  const table = query.get("table") ?? "";
  const example = query.get("example") ?? "";
  return table || example ? { table, example } : null;
}

/** A source as the address has it. */
function named({ table, example }: Source): Record<string, string> {
  return table ? { table } : { example };
}

function Described({ source, query }: { source: Source; query: URLSearchParams }) {
  const asked = source.table ? { file: source.table } : { example: source.example };
  const table = useLoading((signal) => get<Table>("table", asked, signal), []);
  if (table.problem) return <ProblemLine>{table.problem}</ProblemLine>;
  if (!table.value) return <Waiting>Reading the table …</Waiting>;
  return <Form source={source} table={table.value} query={query} />;
}

function Form({ source, table, query }: { source: Source; table: Table; query: URLSearchParams }) {
  const [plan, setPlan] = useState(() => restored(table, suggested(source), query));
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const asked = wanted(plan, table, source);
  const line = useLoading((signal) => lineOf(asked, signal), [JSON.stringify(asked)]);
  const change = (part: Partial<Plan>) => setPlan((before) => ({ ...before, ...part }));
  useEffect(() => keep("train", { ...named(source), ...kept(plan, table) }), [plan]);
  useEffect(() => {
    const name = suggested(source);
    const found = get<{ runs: { run: string }[] }>("runs").then(({ runs }) => free(name, new Set(runs.map((each) => each.run))));
    void found.then((run) => setPlan((before) => (before.run === name ? { ...before, run } : before)), () => undefined);  // somebody may have typed another meanwhile
  }, []);
  const start = async (event: Event) => {
    event.preventDefault();
    setProblem(null);
    setBusy(true);
    try {
      await post("training", {}, asked);
      rememberForm(plan.run);
      go("run", { run: plan.run });
    } catch (error) {
      setProblem(error instanceof Problem && error.misfit ? refused(error.misfit, plan) : sentence(error));
      setBusy(false);
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void start(event)}>
      <ColumnsTable table={table} plan={plan} onChange={change} />
      <Card title="3. The network and how it is trained" sentence="Left empty, the recipe decides.">
        <div class="stack">
          <PlanFields source={source} table={table} plan={plan} onChange={change} />
          <div class="row" style={{ alignItems: "end" }}>
            <label class="field grow">
              {LABELS.run}: a folder beside your tables
              <input value={plan.run} required maxLength={200} onInput={(event) => change({ run: event.currentTarget.value })} />
            </label>
            <button type="submit" class="primary" disabled={busy || !plan.run}>
              {busy ? "Starting …" : "Start training"}
            </button>
          </div>
          {problem && <ProblemLine>{problem}</ProblemLine>}
        </div>
        <SameAs of={line.problem ? null : line.value} />
      </Card>
    </form>
  );
}

/** Milliseconds for which a form must stand as it is before its command line is asked for. */
const STEADY = 300;

/** What to type for a training as the form has it; what cannot be trained is told once it is to start. */
async function lineOf(asked: Record<string, unknown>, signal: AbortSignal): Promise<Same> {
  await new Promise((done) => setTimeout(done, STEADY));
  signal.throwIfAborted();
  return post<Same>("training/command", {}, asked);
}
