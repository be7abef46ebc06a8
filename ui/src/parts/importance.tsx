import type { Same } from "../api";
import { counted, share } from "../format";
import { Bar, Card, Name } from "./common";

export interface Input {
  name: string;
  importance: number | null;
  interval: [number, number] | null;
  methods: Record<string, number | null>;
  group: string[] | null;
  verdict: string;
}

export interface Effect {
  name: string;
  values: (number | string)[];
  ordered: boolean;
  /** Of the rows, that each value stands for. */
  shares: number[];
  mean: number[];
  accumulated: number[] | null;
}

export interface Explanation {
  unit: string;
  rows: number;
  headline: string;
  inputs: Input[];
  tested: string;
  methods: { name: string; title: string; kind: string; caveat: string; source: string; rows: number; seconds: number }[];
  left_out: Record<string, string>;
  /** Which pairs do what is not the sum of what each does alone; empty where none does. */
  pairs: string;
  reliability: { verdict: string; statement: string; told_apart: string[]; skill: number | null; agreement: { median: number } | null; faithfulness: { advantage: number | null } | null };
  weights_as_importance: { rank_correlation: number | null; interval: [number, number] | null; verdict: string; statement: string; reasons: string[] } | null;
  effects: Effect[];
}

const LOOK: Record<string, string> = { reliable: "good", partly: "middling" };

/** Whether what follows can be believed: the first thing to be read. */
export function Reliability({ found, same }: { found: Explanation; same?: Same }) {
  const { reliability } = found;
  return (
    <Card title="How far to believe it" same={same} exports={{ name: "reliability", json: () => reliability }}>
      <div class={`verdict ${LOOK[reliability.verdict] ?? "bad"}`} data-testid="reliability">
        <strong>{reliability.verdict}</strong>
        <span>{reliability.statement}</span>
      </div>
    </Card>
  );
}

/** The columns, the most important first, each with its interval and what is to be said of it. */
export function Importance({ found, same, chosen, onChoose }: { found: Explanation; same?: Same; chosen?: string; onChoose?: (column: string) => void }) {
  const most = Math.max(...found.inputs.map((each) => Math.max(each.importance ?? 0, each.interval?.[1] ?? 0)));
  const shown = found.inputs.slice(0, 40);
  return (
    <Card
      title="What matters"
      sentence={
        <>
          Share of the importance by {found.headline}, with its interval, on {counted(found.rows, "row")}. {found.tested}
        </>
      }
      same={same}
      exports={{ name: "importance", json: () => found, csv: () => [["column", "importance", "low", "high", "verdict"], found.inputs.map((each) => [each.name, each.importance, each.interval?.[0], each.interval?.[1], each.verdict])] }}
    >
      {found.reliability.told_apart.map((statement) => (
        <p key={statement} class="small" style={{ marginBottom: "0.6rem" }}>
          {statement}
        </p>
      ))}
      <div class="scroll">
        <table data-testid="importance">
          <thead>
            <tr>
              <th>column</th>
              <th style={{ width: "45%" }}>importance</th>
              <th class="number" />
              <th class="wide">verdict</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((each) => (
              <tr key={each.name} class={chosen === each.name ? "chosen" : ""}>
                <td class="name">
                  {onChoose ? (
                    <button type="button" class="link" aria-label={each.name} onClick={() => onChoose(each.name)}>
                      <Name>{each.name}</Name>
                    </button>
                  ) : (
                    <Name>{each.name}</Name>
                  )}
                  <div class="quiet small narrow">{each.verdict}</div>
                </td>
                <td>
                  <Bar value={each.importance} most={most} interval={each.interval} />
                </td>
                <td class="number">{share(each.importance)}</td>
                <td class="quiet one-line wide">{each.verdict}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.inputs.length > shown.length && <p class="quiet small">and {found.inputs.length - shown.length} more, in the exports</p>}
    </Card>
  );
}

/** Methods side by side: of each column the share that each method gives it. */
export function Methods({ found, same }: { found: Explanation; same?: Same }) {
  const shown = found.inputs.slice(0, 20);
  const most = Math.max(...shown.flatMap((each) => Object.values(each.methods).map((value) => value ?? 0)));
  const left = Object.entries(found.left_out);
  return (
    <Card
      title="Methods side by side"
      sentence="The stronger the colour, the larger the share. Methods that look at weights alone measure connection strength; the others measure importance on data."
      same={same}
      exports={{ name: "methods", csv: () => [["column", ...found.methods.map((each) => each.name)], found.inputs.map((each) => [each.name, ...found.methods.map((method) => each.methods[method.name])])] }}
    >
      <div class="scroll">
        <table class="methods">
          <thead>
            <tr>
              <th />
              {found.methods.map((each) => (
                <th key={each.name} class="number">
                  <span>{each.name.replaceAll("_", " ")}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((each) => (
              <tr key={each.name}>
                <td class="name">
                  <Name>{each.name}</Name>
                </td>
                {found.methods.map((method) => {
                  const value = each.methods[method.name];
                  return (
                    <td key={method.name} class="number heat">
                      <i style={{ opacity: value == null ? 0 : 0.7 * Math.max(0, value / most), background: method.kind === "strength" ? "var(--negative)" : "var(--positive)" }} />
                      <span>{value == null ? "–" : (100 * value).toFixed(0)}</span>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="legend" style={{ marginTop: "0.6rem" }}>
        <span>
          <i style={{ background: "var(--negative)" }} />
          connection strength, from weights alone
        </span>
        <span>
          <i style={{ background: "var(--positive)" }} />
          importance, from data; all in percent
        </span>
      </div>
      <details style={{ marginTop: "0.6rem" }}>
        <summary>What each of them asks, and what to beware of</summary>
        <ul class="findings">
          {found.methods.map((each) => (
            <li key={each.name}>
              <b>{each.name.replaceAll("_", " ")}</b> {each.title.toLowerCase() === each.name.replaceAll("_", " ") ? "" : `${each.title}. `}
              {each.caveat}
            </li>
          ))}
        </ul>
      </details>
      {left.length > 0 && (
        <details style={{ marginTop: "0.6rem" }}>
          <summary>{counted(left.length, "method was", "methods were")} left out</summary>
          <ul class="findings">
            {left.map(([name, why]) => (
              <li key={name}>
                <b>{name.replaceAll("_", " ")}</b> {why}
              </li>
            ))}
          </ul>
        </details>
      )}
    </Card>
  );
}
