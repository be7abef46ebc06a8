import { useState } from "preact/hooks";
import { get, useLoading } from "../api";
import { Card } from "./common";
import { Drop, TABLES } from "./drop";
import type { Source } from "./plan";

/** Which rows: a file that is dropped, a table of the folder, or an example. */
export function TableChoice({ source, onChoose }: { source: Source | null; onChoose: (source: Source) => void }) {
  const [count, again] = useState(0);
  const files = useLoading(() => get<{ files: { name: string; kind: string }[]; left_out: string | null }>("files"), [count]);
  const examples = useLoading(() => get<{ examples: { name: string; description: string }[] }>("examples"), []);
  const tables = files.value?.files.filter((file) => file.kind === "table") ?? [];
  return (
    <Card title="1. A table">
      <div class="stack">
        <Drop
          label="A table to upload"
          only={TABLES}
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
            <select value={source?.table ?? ""} onChange={(event) => event.currentTarget.value && onChoose({ table: event.currentTarget.value, example: "" })}>
              <option value="">Choose …</option>
              {tables.map((file) => (
                <option key={file.name}>{file.name}</option>
              ))}
            </select>
          </label>
        )}
        {files.value?.left_out && <p class="quiet small">{files.value.left_out}</p>}
        <div>
          <p class="quiet small">or an example</p>
          <dl class="examples">
            {examples.value?.examples.map((each) => (
              <div key={each.name}>
                <dt>
                  <button type="button" class="chip" aria-pressed={source?.example === each.name} onClick={() => onChoose({ table: "", example: each.name })}>
                    {each.name}
                  </button>
                </dt>
                <dd>{each.description}</dd>
              </div>
            ))}
          </dl>
        </div>
      </div>
    </Card>
  );
}
