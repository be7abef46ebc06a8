import { useMemo, useState } from "preact/hooks";
import { get, useLoading } from "../api";
import { amount, when } from "../format";
import { Read } from "../parts/checkpoint";
import { Card, Lead, Name, ProblemLine, Waiting } from "../parts/common";
import { Compared } from "../parts/comparison";
import { Drop } from "../parts/drop";
import { Timeline } from "../parts/timeline";
import { go, to } from "../route";

interface FileLine {
  name: string;
  kind: string;
  bytes: number;
  modified: number;
}

/** Files of weights of any framework: one looked at, two compared, a folder of them followed. */
export function Checkpoints({ query }: { query: URLSearchParams }) {
  const [count, again] = useState(0);
  const files = useLoading((signal) => get<{ files: FileLine[]; left_out: string | null }>("files", {}, signal), [count]);
  const checkpoints = files.value?.files.filter((each) => each.kind === "checkpoint") ?? [];
  const [file, other, folder] = [query.get("file"), query.get("other"), query.get("folder")];
  const folders = useMemo(() => series(files.value?.files.filter((each) => each.kind === "checkpoint" || each.kind === "snapshot") ?? []), [files.value]);
  return (
    <>
      <Lead title="Checkpoints" name="checkpoints">
        What is in a file of weights, of any framework, read without that framework and without running anything in it.
      </Lead>
      <div class="stack">
        {files.problem && <ProblemLine>{files.problem}</ProblemLine>}
        <Card title="Open" sentence="Files of the folder that is served: safetensors, GGUF, PyTorch, ONNX, Keras, NumPy.">
          <div class="stack">
            <div class="fields wide">
              <label class="field">
                File
                <select value={file ?? ""} onChange={(event) => go("checkpoints", { file: event.currentTarget.value })}>
                  <option value="">Choose …</option>
                  {checkpoints.map((each) => (
                    <option key={each.name} value={each.name}>
                      {each.name} ({amount(each.bytes)})
                    </option>
                  ))}
                </select>
              </label>
              <label class="field">
                Compare with
                <select value={other ?? ""} disabled={!file} onChange={(event) => go("checkpoints", { file: file ?? "", ...(event.currentTarget.value ? { other: event.currentTarget.value } : {}) })}>
                  <option value="">nothing</option>
                  {checkpoints
                    .filter((each) => each.name !== file)
                    .map((each) => (
                      <option key={each.name} value={each.name}>
                        {each.name}
                      </option>
                    ))}
                </select>
              </label>
              <label class="field">
                Or follow a folder
                <select value={folder ?? ""} onChange={(event) => go("checkpoints", { folder: event.currentTarget.value })}>
                  <option value="">Choose …</option>
                  {folders.map(([name, size]) => (
                    <option key={name} value={name}>
                      {name} ({size} files)
                    </option>
                  ))}
                </select>
              </label>
            </div>
            {files.value?.left_out && <p class="quiet small">{files.value.left_out}</p>}
            <Drop
              label="A file of weights to upload"
              onTaken={(name) => {
                again(count + 1);
                go("checkpoints", { file: name });
              }}
            >
              Drop a file from elsewhere here, or choose one. Large ones are better put into the folder.
            </Drop>
          </div>
        </Card>
        {folder ? <Timeline key={folder} folder={folder} /> : file && other ? <Compared key={`${file}\n${other}`} first={file} second={other} /> : file ? <Read key={file} file={file} about={checkpoints.find((each) => each.name === file)} /> : files.value ? <Listed files={checkpoints} /> : files.working && <Waiting>Looking …</Waiting>}
      </div>
    </>
  );
}

/** Folders of at least two files of weights. */
function series(files: FileLine[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const each of files) {
    const folder = each.name.includes("/") ? each.name.slice(0, each.name.lastIndexOf("/")) : ".";
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > 1);
}

function Listed({ files }: { files: FileLine[] }) {
  if (files.length === 0) return <p class="empty">No file of weights is here yet. Train something, or choose a file.</p>;
  return (
    <Card title="In this folder">
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>file</th>
              <th class="number">size</th>
              <th class="number">changed</th>
            </tr>
          </thead>
          <tbody>
            {files.map((each) => (
              <tr key={each.name}>
                <td class="name">
                  <a href={to("checkpoints", { file: each.name })} aria-label={each.name}>
                    <Name>{each.name}</Name>
                  </a>
                </td>
                <td class="number">{amount(each.bytes)}</td>
                <td class="number date quiet">{when(each.modified)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
