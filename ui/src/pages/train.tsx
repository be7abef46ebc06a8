import { useEffect, useState } from "preact/hooks";
import { get, post, sentence, useLoading } from "../api";
import { loadCharts } from "../parts/chart";
import { ColumnsTable } from "../parts/columns-table";
import { Card, Lead, ProblemLine, Waiting } from "../parts/common";
import { free, type Plan, planOf, type Source, suggested, type Table, wanted } from "../parts/plan";
import { PlanFields } from "../parts/plan-fields";
import { TableChoice } from "../parts/table-choice";
import { go, useRoute } from "../route";

/** From a table to a training: which rows, which column, which network. */
export function Train() {
  const route = useRoute();
  const [source, setSource] = useState<Source | null>(given(route.query));
  useEffect(() => void loadCharts().catch(() => undefined), []); // the training's page has charts
  return (
    <>
      <Lead title="Train" name="train">
        Choose a table, say which column is to be predicted, and watch a network learn it. The defaults are sound; change what you like.
      </Lead>
      <div class="stack">
        <TableChoice source={source} onChoose={setSource} />
        {source && <Described key={source.table || source.example} source={source} />}
      </div>
    </>
  );
}

function given(query: URLSearchParams): Source | null {
  const table = query.get("table") ?? "";
  const example = query.get("example") ?? "";
  return table || example ? { table, example } : null;
}

function Described({ source }: { source: Source }) {
  const query = source.table ? { file: source.table } : { example: source.example };
  const table = useLoading((signal) => get<Table>("table", query, signal), []);
  if (table.problem) return <ProblemLine>{table.problem}</ProblemLine>;
  if (!table.value) return <Waiting>Reading the table …</Waiting>;
  return <Form source={source} table={table.value} />;
}

function Form({ source, table }: { source: Source; table: Table }) {
  const [plan, setPlan] = useState(() => planOf(table, suggested(source)));
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const change = (part: Partial<Plan>) => setPlan((before) => ({ ...before, ...part }));
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
      await post("training", {}, wanted(plan, table, source));
      go("run", { run: plan.run });
    } catch (error) {
      setProblem(sentence(error));
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
              Name of the run: a folder beside your tables
              <input value={plan.run} required maxLength={200} onInput={(event) => change({ run: event.currentTarget.value })} />
            </label>
            <button type="submit" class="primary" disabled={busy || !plan.run}>
              {busy ? "Starting …" : "Start training"}
            </button>
          </div>
          {problem && <ProblemLine>{problem}</ProblemLine>}
        </div>
      </Card>
    </form>
  );
}
