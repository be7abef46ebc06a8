import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, type Same } from "../api";
import { counted } from "../format";
import { to } from "../route";
import { Card, Copy, type Finding, Findings } from "./common";

type Metrics = Record<string, number | null>;

interface Outcome extends Same {
  networks: number;
  test_rows: number | null;
  test: Metrics | null;
  baselines: Record<string, Metrics>;
  findings: Finding[];
}

/** Milliseconds after which it is asked again whether a model was tested, and how often: that comes after it is saved. */
const [AGAIN, TIMES] = [3000, 40];

const HEADINGS: Record<string, string> = { accuracy: "accuracy ↑", log_loss: "log loss ↓", roc_auc: "ROC AUC ↑", rmse: "RMSE ↓", mae: "MAE ↓", r2: "R² ↑" };
const BASELINES: [string, string][] = [["linear", "a linear model"], ["trivial", "always the same guess"]];

/** What a training led to: how well its model predicts rows it never saw, beside simpler ones, and where to go from here. */
export function OutcomeCard({ run, model, trained, ended, children }: { run: string; model: string; trained: string | null; ended: string; children?: ComponentChildren }) {
  const [outcome, set] = useState<Outcome | null>(null);
  useEffect(() => {
    let next = 0;
    const ask = (left: number) =>
      void get<Outcome>("run/outcome", { run }).then(
        (found) => {
          set(found);
          if (found.test_rows === null && left > 0) next = window.setTimeout(() => ask(left - 1), AGAIN);
        },
        () => set(null), // a model of another program says nothing of it
      );
    ask(TIMES);
    return () => clearTimeout(next);
  }, [run, model]);
  const rows: [string, Metrics][] = outcome?.test ? [[outcome.networks > 1 ? `the mean of ${outcome.networks} networks` : "this network", outcome.test], ...BASELINES.flatMap(([name, label]): [string, Metrics][] => (outcome.baselines[name] ? [[label, outcome.baselines[name]]] : []))] : [];
  const names = Object.keys(outcome?.test ?? {});
  return (
    <Card title="What came of it" sentence={ended || undefined} same={outcome} exports={{ name: `${run.replaceAll("/", "-")}-outcome`, json: () => outcome }}>
      <div class="stack">
        {children}
        {outcome?.test ? (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th style={{ whiteSpace: "normal" }}>on {outcome.test_rows === null ? "rows" : counted(outcome.test_rows, "row")} it never saw</th>
                  {names.map((name) => (
                    <th key={name} class="number">
                      {Object.hasOwn(HEADINGS, name) ? HEADINGS[name] : name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map(([label, metrics], at) => (
                  <tr key={label}>
                    <td>{at === 0 ? <b>{label}</b> : label}</td>
                    {names.map((name) => (
                      <td key={name} class="number">
                        {score(metrics[name])}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ) : (
          outcome && <p class="empty">{outcome.test_rows === 0 ? "No rows were kept to test on" : "It was not tested, or not yet"}, so how well it predicts rows it never saw is not known.</p>
        )}
        {outcome && outcome.findings.length > 0 && <Findings of={outcome.findings} none="" />}
        <div class="row">
          <a class="button" href={to("explain", { model })}>
            Explain it
          </a>
          <a class="button" href={to("checkpoints", { file: model })}>
            Look at its weights
          </a>
          <a class="button" href={`/api/download?${new URLSearchParams({ file: model })}`} download>
            model.safetensors
          </a>
        </div>
        {trained && (
          <p class="same inner" data-testid="trained">
            What trained it: <Copy text={trained} />
          </p>
        )}
      </div>
    </Card>
  );
}

/** With as many decimals as its neighbours in a column. */
function score(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const decimals = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 10 ? 2 : 4;
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative" }).replace("-", "−");
}
