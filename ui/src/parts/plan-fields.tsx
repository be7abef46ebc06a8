import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { get, useLoading } from "../api";
import { Drop, TABLES } from "./drop";
import { isSmall, LABELS, type Plan, type Source, type Table, usual } from "./plan";

const ACTIVATIONS = ["relu", "gelu", "tanh", "selu", "mish", "silu", "sigmoid", "softplus", "elu", "leaky_relu"];

/** The network, how it is trained, and what it is tested on. */
export function PlanFields({ source, table, plan, onChange }: { source: Source; table: Table; plan: Plan; onChange: (part: Partial<Plan>) => void }) {
  const [uploads, again] = useState(0);
  const files = useLoading(() => get<{ files: { name: string; kind: string }[] }>("files"), [uploads]);
  const others = files.value?.files.filter((file) => file.kind === "table" && file.name !== source.table) ?? [];
  const recipe = usual(plan, table);
  const set = (name: keyof Plan) => (event: Event) => onChange({ [name]: (event.currentTarget as HTMLInputElement | HTMLSelectElement).value });
  const text = (name: keyof typeof LABELS, rest: object) => (
    <label class="field">
      {LABELS[name]}
      <input value={plan[name]} onInput={set(name)} {...rest} />
    </label>
  );
  const choice = (name: keyof typeof LABELS, options: ComponentChildren) => (
    <label class="field">
      {LABELS[name]}
      <select value={plan[name]} onChange={set(name)}>
        {options}
      </select>
    </label>
  );
  const words = (all: readonly string[]) => all.map((each) => <option key={each}>{each}</option>);
  return (
    <>
      <div class="fields">
        {choice(
          "recipe",
          <>
            <option value="strong">strong (default)</option>
            <option value="plain">plain (textbook)</option>
          </>,
        )}
        {text("hidden", { placeholder: recipe.hidden, pattern: "[0-9, ]*", title: "Units of each hidden layer, with commas between, such as 64,32" })}
        {choice(
          "activation",
          <>
            <option value="">{recipe.activation} (recipe)</option>
            {words(ACTIVATIONS)}
          </>,
        )}
        {text("epochs", { type: "number", min: 1, placeholder: recipe.epochs })}
        {text("batch", { type: "number", min: 1, placeholder: recipe.batch })}
        {text("rate", { type: "number", min: 0, step: "any", placeholder: recipe.rate })}
        {choice(
          "test",
          <>
            <option value="">a share of them</option>
            {words(others.map((file) => file.name))}
          </>,
        )}
        {!plan.test && text("share", { type: "number", min: 0, max: 0.9, step: "any" })}
        {text("seeds", { type: "number", min: 1, max: 1000 })}
        {text("seed", { type: "number", min: 0 })}
        {choice(
          "record",
          <>
            <option value="">{isSmall(plan, table) ? "every early step: it is small" : "ever fewer steps"}</option>
            <option value="default">ever fewer steps</option>
            <option value="full">every early step</option>
          </>,
        )}
      </div>
      <details>
        <summary>A table of its own to test on, from elsewhere</summary>
        <Drop
          label="A table to test on"
          only={TABLES}
          onTaken={(name) => {
            again(uploads + 1);
            onChange({ test: name });
          }}
        >
          Drop it here, or choose one: rows that training never sees, with the same columns.
        </Drop>
      </details>
    </>
  );
}
