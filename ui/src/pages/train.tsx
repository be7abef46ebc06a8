import { useEffect, useState } from "preact/hooks";
import { get, post, sentence, upload, useLoading } from "../api";
import { figure } from "../format";
import { Card, Lead, ProblemLine, Waiting } from "../parts/common";
import { go, useRoute } from "../route";

interface Column {
  name: string;
  dtype: string;
  kind: string;
  missing: number;
  different: number | null;
  values: unknown[];
  task: "classification" | "regression" | null;
  /** Why nothing can be predicted from it; null where it can. */
  problem: string | null;
}

interface Table {
  rows: number;
  columns: Column[];
  target: string;
  description: string;
  first: unknown[][];
}

interface Source {
  table: string;
  example: string;
}

/** A network of no more weights is recorded closely unless something else is chosen: it costs little, and moves more. */
const SMALL = 5000;

/** What a column can be taken as, and the words for it; texts are categories whatever is said. */
const ROLES: Record<string, [string, string][]> = {
  numbers: [["numbers", "numbers"], ["categories", "categories"]],
  dates: [["dates", "dates"], ["categories", "categories"]],
  "truth values": [["truth values", "truth values"], ["categories", "categories"]],
  texts: [["texts", "categories"]],
};
const LEFT_OUT = "left out";
const TARGET = "target";

const ACTIVATIONS = ["relu", "gelu", "tanh", "selu", "mish", "silu", "sigmoid", "softplus", "elu", "leaky_relu"];

/** From a table to a training: which rows, which column, which network. */
export function Train() {
  const route = useRoute();
  const [source, setSource] = useState<Source | null>(given(route.query));
  return (
    <>
      <Lead title="Train" name="train">
        Choose a table, say which column is to be predicted, and watch a network learn it. The defaults are sound; change what you like.
      </Lead>
      <div class="stack">
        <ChooseTable source={source} onChoose={setSource} />
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

function ChooseTable({ source, onChoose }: { source: Source | null; onChoose: (source: Source) => void }) {
  const [count, again] = useState(0);
  const files = useLoading(() => get<{ files: { name: string; kind: string }[] }>("files"), [count]);
  const examples = useLoading(() => get<{ examples: { name: string; description: string }[] }>("examples"), []);
  const tables = files.value?.files.filter((file) => file.kind === "table") ?? [];
  return (
    <Card title="1. A table">
      <div class="stack">
        <Drop
          label="A table to upload"
          onTaken={(name) => {
            again(count + 1);
            onChoose({ table: name, example: "" });
          }}
        >
          Drop a CSV or Parquet file here, or choose one. It stays on this machine.
        </Drop>
        {tables.length > 0 && (
          <label class="field">
            A table in the folder
            <select
              value={source?.table ?? ""}
              onChange={(event) => event.currentTarget.value && onChoose({ table: event.currentTarget.value, example: "" })}
            >
              <option value="">Choose …</option>
              {tables.map((file) => (
                <option key={file.name}>{file.name}</option>
              ))}
            </select>
          </label>
        )}
        <div class="row">
          <span class="quiet small">or an example</span>
          {examples.value?.examples.map((each) => (
            <button key={each.name} type="button" class="chip" title={each.description} aria-pressed={source?.example === each.name} onClick={() => onChoose({ table: "", example: each.name })}>
              {each.name}
            </button>
          ))}
        </div>
      </div>
    </Card>
  );
}

/** A place to drop a table on, or to choose one with; it is put into the folder. */
function Drop({ label, onTaken, children }: { label: string; onTaken: (name: string) => void; children: string }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState("");
  const [over, setOver] = useState(false);
  const take = async (file: File | undefined) => {
    if (!file) return;
    setProblem(null);
    setBusy(file.name);
    try {
      onTaken((await upload(file)).name);
    } catch (error) {
      setProblem(sentence(error));
    }
    setBusy("");
  };
  return (
    <>
      <label
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void take(event.dataTransfer?.files[0]);
        }}
      >
        <input type="file" aria-label={label} accept=".csv,.tsv,.parquet,.arrow,.feather" onChange={(event) => void take(event.currentTarget.files?.[0])} />
        {busy ? `Taking ${busy} …` : children}
      </label>
      {problem && <ProblemLine>{problem}</ProblemLine>}
    </>
  );
}

function Described({ source }: { source: Source }) {
  const query = source.table ? { file: source.table } : { example: source.example };
  const table = useLoading((signal) => get<Table>("table", query, signal), []);
  if (table.problem) return <ProblemLine>{table.problem}</ProblemLine>;
  if (!table.value) return <Waiting>Reading the table …</Waiting>;
  return <Form source={source} table={table.value} />;
}

function Form({ source, table }: { source: Source; table: Table }) {
  const [target, setTarget] = useState(table.target);
  const [task, setTask] = useState("");
  const [roles, setRoles] = useState<Record<string, string>>(() => Object.fromEntries(table.columns.filter((each) => each.problem).map((each) => [each.name, LEFT_OUT])));
  const [recipe, setRecipe] = useState("strong");
  const [hidden, setHidden] = useState("");
  const [activation, setActivation] = useState("");
  const [epochs, setEpochs] = useState("");
  const [batch, setBatch] = useState("");
  const [rate, setRate] = useState("");
  const [share, setShare] = useState("0.2");
  const [test, setTest] = useState("");
  const [seeds, setSeeds] = useState("1");
  const [seed, setSeed] = useState("0");
  const [record, setRecord] = useState("");
  const [run, setRun] = useState(() => suggested(source));
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [uploads, again] = useState(0);
  const files = useLoading(() => get<{ files: { name: string; kind: string }[] }>("files"), [uploads]);
  const others = files.value?.files.filter((file) => file.kind === "table" && file.name !== source.table) ?? [];
  const column = table.columns.find((each) => each.name === target);
  const role = (each: Column) => (each.name === target ? TARGET : (roles[each.name] ?? each.kind));
  const kind = task || column?.task || "regression";
  const [usual, usualActivation] = recipe === "strong" ? ["256, 256, 256", kind === "classification" ? "selu" : "mish"] : ["128, 128", "relu"];

  const sizes = [table.columns.length, ...wholes(hidden || (usual ?? "")), 1];
  const weights = sizes.slice(1).reduce((sum, size, k) => sum + size * (sizes[k] ?? 0), 0);
  const closely = weights <= SMALL;

  useEffect(() => {
    void get<{ runs: { run: string }[] }>("runs").then(({ runs }) => setRun(free(suggested(source), new Set(runs.map((each) => each.run)))));
  }, []);

  const start = async (event: Event) => {
    event.preventDefault();
    setProblem(null);
    setBusy(true);
    try {
      await post("training", {}, {
        run,
        ...source,
        target,
        task,
        recipe,
        hidden: wholes(hidden),
        activation,
        epochs: number(epochs),
        batch_size: number(batch),
        learning_rate: number(rate),
        ...(test ? { test } : { test_fraction: number(share) }),
        seeds: number(seeds) ?? 1,
        seed: number(seed) ?? 0,
        drop: table.columns.filter((each) => role(each) === LEFT_OUT).map((each) => each.name),
        categorical: table.columns.filter((each) => role(each) === "categories").map((each) => each.name),
        record: record || (closely ? "full" : "default"),
      });
      go("run", { run });
    } catch (error) {
      setProblem(sentence(error));
      setBusy(false);
    }
  };

  return (
    <form class="stack" onSubmit={(event) => void start(event)}>
      <Card
        title="2. What is to be predicted, and from what"
        sentence={
          <>
            {table.rows.toLocaleString("en")} rows of {table.columns.length} columns. {table.description}
          </>
        }
      >
        <div class="stack">
          <div class="fields">
            <label class="field">
              Column to predict
              <select value={target} onChange={(event) => setTarget(event.currentTarget.value)}>
                {table.columns.map((each) => (
                  <option key={each.name}>{each.name}</option>
                ))}
              </select>
            </label>
            <label class="field">
              As
              <select value={task} onChange={(event) => setTask(event.currentTarget.value)}>
                <option value="">{column?.task ? `${column.task === "classification" ? "classes" : "numbers"}, it seems` : "as it looks"}</option>
                <option value="classification">classes</option>
                <option value="regression">numbers</option>
              </select>
            </label>
          </div>
          <details open={table.columns.length <= 14}>
            <summary>Columns and their types</summary>
            <div class="scroll">
              <table>
                <thead>
                  <tr>
                    <th>column</th>
                    <th>taken as</th>
                    <th class="number">missing</th>
                    <th class="number">different</th>
                    <th>values</th>
                  </tr>
                </thead>
                <tbody>
                  {table.columns.map((each) => (
                    <tr key={each.name}>
                      <td class="name">
                        {each.name === target ? <b>{each.name}</b> : each.name}
                        {each.problem && <div class="quiet small">{each.problem}</div>}
                      </td>
                      <td>
                        <select
                          aria-label={`${each.name} is taken as`}
                          value={role(each)}
                          disabled={each.name === target}
                          onChange={(event) => {
                            const chosen = event.currentTarget.value;
                            if (chosen === TARGET) setTarget(each.name);
                            else setRoles({ ...roles, [each.name]: chosen });
                          }}
                        >
                          {(ROLES[each.kind] ?? [[each.kind, each.kind]]).map(([value, words]) => (
                            <option key={value} value={value}>
                              {words}
                            </option>
                          ))}
                          <option value={LEFT_OUT}>left out</option>
                          <option value={TARGET}>what is predicted</option>
                        </select>
                      </td>
                      <td class="number">{each.missing || "–"}</td>
                      <td class="number">{each.different?.toLocaleString("en") ?? "–"}</td>
                      <td class="quiet small one-line">{each.values.slice(0, 4).map((value) => (typeof value === "number" ? figure(value) : String(value))).join(", ")} …</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </details>
        </div>
      </Card>
      <Card title="3. The network and how it is trained" sentence="Left empty, the recipe decides.">
        <div class="stack">
          <div class="fields">
            <label class="field">
              Recipe
              <select value={recipe} onChange={(event) => setRecipe(event.currentTarget.value)}>
                <option value="strong">strong, the default</option>
                <option value="plain">plain, a textbook's</option>
              </select>
            </label>
            <label class="field">
              Hidden layers
              <input value={hidden} placeholder={usual ?? ""} pattern="[0-9, ]*" onInput={(event) => setHidden(event.currentTarget.value)} />
            </label>
            <label class="field">
              Activation
              <select value={activation} onChange={(event) => setActivation(event.currentTarget.value)}>
                <option value="">{usualActivation} (recipe)</option>
                {ACTIVATIONS.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            <label class="field">
              Epochs
              <input type="number" min="1" value={epochs} placeholder={recipe === "strong" ? "256" : "200"} onInput={(event) => setEpochs(event.currentTarget.value)} />
            </label>
            <label class="field">
              Rows a step
              <input type="number" min="1" value={batch} placeholder={recipe === "strong" ? "256" : "32"} onInput={(event) => setBatch(event.currentTarget.value)} />
            </label>
            <label class="field">
              Learning rate
              <input type="number" min="0" step="any" value={rate} placeholder={recipe === "strong" ? "the recipe's" : "0.001"} onInput={(event) => setRate(event.currentTarget.value)} />
            </label>
            <label class="field">
              Tested on
              <select value={test} onChange={(event) => setTest(event.currentTarget.value)}>
                <option value="">a share of them</option>
                {others.map((file) => (
                  <option key={file.name}>{file.name}</option>
                ))}
              </select>
            </label>
            {!test && (
              <label class="field">
                Share to test on
                <input type="number" min="0" max="0.9" step="any" value={share} onInput={(event) => setShare(event.currentTarget.value)} />
              </label>
            )}
            <label class="field">
              Networks, averaged
              <input type="number" min="1" max="1000" value={seeds} onInput={(event) => setSeeds(event.currentTarget.value)} />
            </label>
            <label class="field">
              Seed
              <input type="number" min="0" value={seed} onInput={(event) => setSeed(event.currentTarget.value)} />
            </label>
            <label class="field">
              Record
              <select value={record} onChange={(event) => setRecord(event.currentTarget.value)}>
                <option value="">{closely ? "every early step: it is small" : "ever fewer steps"}</option>
                <option value="default">ever fewer steps</option>
                <option value="full">every early step</option>
              </select>
            </label>
          </div>
          <details>
            <summary>A table of its own to test on, from elsewhere</summary>
            <Drop
              label="A table to test on"
              onTaken={(name) => {
                again(uploads + 1);
                setTest(name);
              }}
            >
              Drop it here, or choose one: rows that training never sees, with the same columns.
            </Drop>
          </details>
          <div class="row" style={{ alignItems: "end" }}>
            <label class="field grow">
              Name of the run: a folder beside your tables
              <input value={run} required maxLength={200} onInput={(event) => setRun(event.currentTarget.value)} />
            </label>
            <button type="submit" class="primary" disabled={busy || !run}>
              {busy ? "Starting …" : "Start training"}
            </button>
          </div>
          {problem && <ProblemLine>{problem}</ProblemLine>}
        </div>
      </Card>
    </form>
  );
}

function suggested(source: Source): string {
  const name = source.example || source.table.split("/").at(-1)?.replace(/\.[a-z]+$/i, "") || "run";
  return `${name}-model`;
}

/** A name that no run has: that, or one of the next number. */
function free(name: string, taken: Set<string>): string {
  let found = name;
  for (let number = 2; taken.has(found); number++) found = `${name}-${number}`;
  return found;
}

function number(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}

function wholes(text: string): number[] {
  return text.split(",").map((part) => part.trim()).filter(Boolean).map(Number);
}
