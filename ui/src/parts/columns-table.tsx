import { useState } from "preact/hooks";
import { counted, figure } from "../format";
import { Card, Name } from "./common";
import { LABELS, LEFT_OUT, onForm, type Plan, roleOf, type Table, TARGET } from "./plan";
import { useSearch } from "./search";

/** What a column can be taken as, and the words for it; texts are categories whatever is said. */
const ROLES: Record<string, [string, string][]> = {
  numbers: [["numbers", "numbers"], ["categories", "categories"]],
  dates: [["dates", "dates"], ["categories", "categories"]],
  "truth values": [["truth values", "truth values"], ["categories", "categories"]],
  texts: [["texts", "categories"]],
};

/** Columns that are shown until all are asked for. */
const SHOWN = 60;

/** Which column is predicted, and what the others are taken as. */
export function ColumnsTable({ table, plan, onChange }: { table: Table; plan: Plan; onChange: (part: Partial<Plan>) => void }) {
  const task = table.columns.find((each) => each.name === plan.target)?.task;
  const [all, showAll] = useState(false);
  const search = useSearch(table.columns, all ? Infinity : SHOWN, "column");
  const unfit = table.columns.filter((each) => each.problem && roleOf(plan, each) === LEFT_OUT).map((each) => each.name);
  return (
    <Card
      title="2. What is to be predicted, and from what"
      sentence={
        <>
          {counted(table.rows, "row")} of {counted(table.columns.length, "column")}. {table.description}
        </>
      }
    >
      <div class="stack">
        <div class="fields wide">
          <label class="field">
            {LABELS.target}
            <select value={plan.target} onChange={(event) => onChange({ target: event.currentTarget.value })}>
              {table.columns.map((each) => (
                <option key={each.name}>{each.name}</option>
              ))}
            </select>
          </label>
          <label class="field">
            {LABELS.task}
            <select value={plan.task} onChange={(event) => onChange({ task: event.currentTarget.value })}>
              <option value="">{task ? `${task === "classification" ? "classes" : "numbers"}, it seems` : "as it looks"}</option>
              <option value="classification">classes</option>
              <option value="regression">numbers</option>
            </select>
          </label>
        </div>
        {unfit.length > 0 && (
          <p class="quiet small" data-testid="unfit">
            Left out, as {unfit.length === 1 ? "it" : "they"} cannot be trained on: {unfit.join(", ")}. The list of columns says why.
          </p>
        )}
        <details open={table.columns.length <= 14}>
          <summary>Columns and their types</summary>
          {search.field}
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
                {search.shown.map((each) => (
                  <tr key={each.name}>
                    <td class="name">
                      {each.name === plan.target ? (
                        <b>
                          <Name>{each.name}</Name>
                        </b>
                      ) : (
                        <Name>{each.name}</Name>
                      )}
                      {each.problem && <div class="quiet small">{onForm(each.problem)}</div>}
                      {each.different === 1 && each.missing === 0 && <div class="quiet small">the same in all rows</div>}
                    </td>
                    <td>
                      <select
                        aria-label={`${each.name} is taken as`}
                        value={roleOf(plan, each)}
                        disabled={each.name === plan.target}
                        onChange={(event) => {
                          const role = event.currentTarget.value;
                          onChange(role === TARGET ? { target: each.name } : { roles: { ...plan.roles, [each.name]: role } });
                        }}
                      >
                        {(ROLES[each.kind] ?? [[each.kind, each.kind]]).map(([value, words]) => (
                          <option key={value} value={value}>
                            {words}
                          </option>
                        ))}
                        <option value={LEFT_OUT}>left out</option>
                        <option value={TARGET}>predicted</option>
                      </select>
                    </td>
                    <td class="number">{each.missing || "–"}</td>
                    <td class="number">{each.different?.toLocaleString("en") ?? "–"}</td>
                    <td class="quiet small values">{each.values.slice(0, 4).map((value) => (typeof value === "number" ? figure(value) : String(value))).join(", ")} …</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {search.left > 0 ? (
            <button type="button" onClick={() => showAll(true)}>
              {search.left.toLocaleString("en")} more
            </button>
          ) : (
            search.line
          )}
        </details>
      </div>
    </Card>
  );
}
