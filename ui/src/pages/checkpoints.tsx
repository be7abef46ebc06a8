import { useMemo, useState } from "preact/hooks";
import { ask, get, sentence, upload, useLoading } from "../api";
import { amount, figure, share, when } from "../format";
import { Chart, type Spec } from "../parts/chart";
import { Bar, Card, Figures, type Finding, Findings, Lead, ProblemLine, Waiting } from "../parts/common";
import { HeatMap } from "../parts/heat-map";
import { go, to } from "../route";

interface FileLine {
  name: string;
  kind: string;
  bytes: number;
  modified: number;
}

/** A tensor; its figures are there once its values were read. */
interface TensorLine {
  name: string;
  shape: number[];
  dtype: string;
  count: number;
  min?: number | null;
  max?: number | null;
  mean?: number | null;
  std?: number | null;
  norm?: number | null;
  linf?: number | null;
  zeros?: number | null;
  nan?: number | null;
  inf?: number | null;
  quantiles?: Record<string, number | null> | null;
}

interface LayerLine {
  name: string;
  kind: string;
  inputs: number | null;
  outputs: number | null;
  count: number;
  strength?: number | null;
  spectral_norm?: number | null;
  stable_rank?: number | null;
  effective_rank?: number | null;
  alpha?: number | null;
}

/** What a file says of itself, at once. */
interface Contents {
  format: string;
  bytes: number;
  tensors: TensorLine[];
  layers: LayerLine[];
}

/** What its values say. */
interface Reading extends Contents {
  files: string[];
  findings: Finding[];
  seconds: number;
}

/** Files of weights of any framework: one looked at, two compared, a folder of them followed. */
export function Checkpoints({ query }: { query: URLSearchParams }) {
  const [count, again] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState("");
  const files = useLoading((signal) => get<{ files: FileLine[] }>("files", {}, signal), [count]);
  const checkpoints = files.value?.files.filter((each) => each.kind === "checkpoint") ?? [];
  const [file, other, folder] = [query.get("file"), query.get("other"), query.get("folder")];
  const take = async (taken: File | undefined) => {
    if (!taken) return;
    setProblem(null);
    setBusy(taken.name);
    try {
      const kept = await upload(taken);
      again(count + 1);
      go("checkpoints", { file: kept.name });
    } catch (error) {
      setProblem(sentence(error));
    }
    setBusy("");
  };
  const folders = useMemo(() => series(files.value?.files.filter((each) => each.kind === "checkpoint" || each.kind === "snapshot") ?? []), [files.value]);
  return (
    <>
      <Lead title="Checkpoints" name="checkpoints">
        What is in a file of weights, of any framework, read without that framework and without running anything in it.
      </Lead>
      <div class="stack">
        {(problem ?? files.problem) && <ProblemLine>{problem ?? files.problem}</ProblemLine>}
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
            <label class="drop">
              <input type="file" aria-label="A file of weights to upload" onChange={(event) => void take(event.currentTarget.files?.[0])} />
              {busy ? `Taking ${busy} …` : "Choose a file from elsewhere. Large ones are better put into the folder."}
            </label>
          </div>
        </Card>
        {folder ? <Timeline key={folder} folder={folder} /> : file && other ? <Compared key={`${file}\n${other}`} first={file} second={other} /> : file ? <Read key={file} file={file} about={checkpoints.find((each) => each.name === file)} /> : <Listed files={checkpoints} />}
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
                  <a href={to("checkpoints", { file: each.name })}>{each.name}</a>
                </td>
                <td class="number">{amount(each.bytes)}</td>
                <td class="number quiet">{when(each.modified)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function Read({ file, about }: { file: string; about: FileLine | undefined }) {
  const [spectrum, setSpectrum] = useState(false);
  const first = useLoading((signal) => get<Contents>("contents", { file }, signal), [file]);
  const told = useLoading((signal) => ask<Reading>("checkpoint", { file }, signal), [file]);
  const spectra = useLoading(spectrum ? (signal) => ask<Reading>("checkpoint", { file, spectrum: true }, signal) : null, [file, spectrum]);
  const [tensor, choose] = useState<string | null>(null);
  const read = told.value?.answer;
  const reading = read ?? first.value;
  const problem = told.problem ?? first.problem;
  if (problem) return <ProblemLine>{problem}</ProblemLine>;
  const waiting = <Waiting>Reading {about ? amount(about.bytes) : "the file"}: every value once …</Waiting>;
  if (!reading) return waiting;
  const layers = spectra.value?.answer.layers ?? reading.layers;
  const strongest = Math.max(...layers.map((each) => each.strength ?? 0));
  const largest = Math.max(...layers.map((each) => each.count));
  const shown = reading.tensors.find((each) => each.name === tensor) ?? reading.tensors.reduce((best, each) => (each.count > best.count ? each : best), reading.tensors[0] as TensorLine);
  const name = file.replaceAll("/", "-");
  return (
    <>
      <Figures
        of={[
          ["format", reading.format],
          ["bytes", amount(reading.bytes)],
          ["tensors", reading.tensors.length.toLocaleString("en")],
          ["weights", reading.tensors.reduce((sum, each) => sum + each.count, 0).toLocaleString("en")],
          ["layers", reading.layers.filter((each) => each.kind !== "unknown").length],
          ["findings", read ? <span class={read.findings.length ? "negative" : ""}>{read.findings.length}</span> : "…"],
        ]}
      />
      <Card title="What is wrong or worth knowing" command={told.value?.command} python={`pondera.read("${file}")`} exports={{ name: `${name}-findings`, json: () => read?.findings }}>
        {read ? <Findings of={read.findings} none="Nothing that the rules know of." /> : waiting}
      </Card>
      <Card
        title="Layers"
        sentence="By size and by connection strength: of each output unit the root of the sum of its squared weights, their root mean square."
        right={
          <button type="button" disabled={spectrum || !read} onClick={() => setSpectrum(true)}>
            {spectra.working ? "Looking at singular values …" : "Singular values"}
          </button>
        }
        command={spectra.value?.command}
        exports={{ name: `${name}-layers`, json: () => layers, csv: () => [["name", "kind", "inputs", "outputs", "count", "strength"], layers.map((each) => [each.name, each.kind, each.inputs, each.outputs, each.count, each.strength])] }}
      >
        {spectra.problem && <ProblemLine>{spectra.problem}</ProblemLine>}
        <div class="scroll">
          <table data-testid="layers">
            <thead>
              <tr>
                <th>layer</th>
                <th>kind</th>
                <th class="number">shape</th>
                <th>size</th>
                <th class="number">weights</th>
                <th>strength</th>
                <th class="number" />
                {spectra.value && (
                  <>
                    <th class="number">largest singular</th>
                    <th class="number">effective rank</th>
                    <th class="number">α</th>
                  </>
                )}
              </tr>
            </thead>
            <tbody>
              {layers.slice(0, 300).map((each) => (
                <tr key={each.name}>
                  <td class="name">{each.name}</td>
                  <td class="quiet">{each.kind}</td>
                  <td class="number quiet">{each.inputs === null ? (each.outputs ?? "–") : `${each.inputs} → ${each.outputs}`}</td>
                  <td style={{ width: "16%" }}>
                    <Bar value={Math.sqrt(each.count)} most={Math.sqrt(largest)} thin />
                  </td>
                  <td class="number">{each.count.toLocaleString("en")}</td>
                  <td style={{ width: "16%" }}>{each.strength == null ? null : <Bar value={each.strength} most={strongest} thin />}</td>
                  <td class="number">{read ? figure(each.strength) : ""}</td>
                  {spectra.value && (
                    <>
                      <td class="number">{figure(each.spectral_norm)}</td>
                      <td class="number">{figure(each.effective_rank, 3)}</td>
                      <td class="number">{figure(each.alpha, 3)}</td>
                    </>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
      {shown && read && <Tensor key={shown.name} file={file} tensor={shown} />}
      <Card title="Tensors" sentence="Choose one to see it." exports={{ name: `${name}-tensors`, json: () => reading.tensors, csv: () => [["name", "shape", "dtype", "count", "min", "max", "mean", "std", "norm", "zeros", "nan"], reading.tensors.map((each) => [each.name, each.shape.join("x"), each.dtype, each.count, each.min, each.max, each.mean, each.std, each.norm, each.zeros, each.nan])] }}>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>tensor</th>
                <th>dtype</th>
                <th class="number">shape</th>
                {read && (
                  <>
                    <th class="number">smallest</th>
                    <th class="number">largest</th>
                    <th class="number">mean</th>
                    <th class="number">spread</th>
                    <th class="number">zeros</th>
                    <th class="number">not finite</th>
                  </>
                )}
              </tr>
            </thead>
            <tbody>
              {reading.tensors
                .toSorted((a, b) => b.count - a.count)
                .slice(0, 400)
                .map((each) => (
                  <tr key={each.name} class={each.name === shown?.name ? "chosen" : ""}>
                    <td class="name">
                      <button type="button" class="link" onClick={() => choose(each.name)}>
                        {each.name}
                      </button>
                    </td>
                    <td class="quiet">{each.dtype}</td>
                    <td class="number quiet">{each.shape.join(" × ") || "number"}</td>
                    {read && (
                      <>
                        <td class="number">{figure(each.min, 3)}</td>
                        <td class="number">{figure(each.max, 3)}</td>
                        <td class="number">{figure(each.mean, 3)}</td>
                        <td class="number">{figure(each.std, 3)}</td>
                        <td class="number">{each.zeros ? share(each.zeros / each.count) : "–"}</td>
                        <td class="number">{(each.nan ?? 0) + (each.inf ?? 0) || "–"}</td>
                      </>
                    )}
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      </Card>
    </>
  );
}

function Tensor({ file, tensor }: { file: string; tensor: TensorLine }) {
  const [rows, columns] = tensor.shape.length < 2 ? [1, tensor.count] : [tensor.shape[0] as number, tensor.count / (tensor.shape[0] || 1)];
  const name = `${file.replaceAll("/", "-")}-${tensor.name}`;
  const [spectrum, setSpectrum] = useState(false);
  const quantiles = Object.entries(tensor.quantiles ?? {}).map(([at, value]) => ({ at: Number(at), value }));
  return (
    <Card
      title={tensor.name}
      sentence={`${tensor.shape.join(" × ") || "a number"}${tensor.shape.length > 2 ? ", the first axis down and all others across" : ""}. From afar each cell is the value of the largest size in it.`}
      exports={{ name, picture: "canvas", json: () => tensor }}
    >
      {tensor.count > 0 && tensor.min != null ? <HeatMap path="tile" query={{ file, tensor: tensor.name }} name={tensor.name} rows={rows} columns={columns} most={tensor.linf ?? 1} /> : <p class="empty">It has no values to show.</p>}
      <div class="row" style={{ marginTop: "0.6rem" }}>
        <a class="small" href={`/api/tensor?${new URLSearchParams({ file, tensor: tensor.name })}`} download={`${name}.csv`}>
          values as CSV
        </a>
      </div>
      {quantiles.length > 1 && (
        <details style={{ marginTop: "0.6rem" }} open>
          <summary>How its values are spread</summary>
          <Spread file={file} tensor={tensor} rows={rows} columns={columns} />
        </details>
      )}
      {Math.min(rows, columns) > 1 && (
        <details style={{ marginTop: "0.6rem" }} onToggle={(event) => setSpectrum(event.currentTarget.open)}>
          <summary>Its singular values</summary>
          {spectrum && <SingularValues file={file} tensor={tensor.name} />}
        </details>
      )}
    </Card>
  );
}

const BINS = 60;

/** A histogram of a tensor's values; of a large one, of evenly spread pieces of it. */
function Spread({ file, tensor, rows, columns }: { file: string; tensor: TensorLine; rows: number; columns: number }) {
  const [low, high] = [tensor.quantiles?.["0.01"] ?? tensor.min ?? 0, tensor.quantiles?.["0.99"] ?? tensor.max ?? 1];
  const found = useLoading(
    async (signal) => {
      const { bytes } = await import("../api");
      const most = 1 << 18;
      const down = Math.max(1, Math.min(rows, 1024, Math.floor(most / Math.min(columns, 1024))));
      const across = Math.min(columns, 1024);
      const pieces = Math.min(Math.ceil(rows / down), 4);
      const values: Float32Array[] = [];
      for (let piece = 0; piece < pieces; piece++) {
        const top = pieces === 1 ? 0 : Math.floor((piece * (rows - down)) / (pieces - 1));
        const left = columns > across ? Math.floor((piece * (columns - across)) / Math.max(pieces - 1, 1)) : 0;
        values.push(new Float32Array(await bytes("tile", { file, tensor: tensor.name, top, bottom: top + down, left, right: left + across, down, across }, signal)));
      }
      return values;
    },
    [file, tensor.name],
  );
  const wide = (high - low || 1) * 1.2;
  const from = (low + high) / 2 - wide / 2;
  const counts = new Array<number>(BINS).fill(0);
  let looked = 0;
  for (const piece of found.value ?? [])
    for (const value of piece) {
      looked++;
      const bin = Math.floor(((value - from) / wide) * BINS);
      if (bin >= 0 && bin < BINS) counts[bin] = (counts[bin] ?? 0) + 1;
    }
  const rowsOf = useMemo(() => counts.map((count, k) => ({ from: from + (k * wide) / BINS, to: from + ((k + 1) * wide) / BINS, count })), [found.value]);
  return (
    <div>
      <Chart spec={HISTOGRAM} rows={rowsOf} label={`Histogram of ${tensor.name}`} height={150} />
      <p class="quiet small">
        {looked.toLocaleString("en")} of {tensor.count.toLocaleString("en")} values; mean {figure(tensor.mean)}, spread {figure(tensor.std)}; from {figure(tensor.min)} to {figure(tensor.max)}.
      </p>
    </div>
  );
}

const HISTOGRAM: Spec = {
  mark: { type: "bar", binSpacing: 0.5 },
  encoding: {
    x: { field: "from", type: "quantitative", bin: { binned: true }, axis: { title: null, grid: false, format: ".3~g", tickCount: 7 } },
    x2: { field: "to" },
    y: { field: "count", type: "quantitative", axis: { title: null, tickCount: 4, format: "~s" } },
  },
};

/** The singular values of a tensor as a matrix, in their order. */
function SingularValues({ file, tensor }: { file: string; tensor: string }) {
  const found = useLoading((signal) => get<{ values: number[] }>("singular-values", { file, tensor }, signal), [file, tensor]);
  const rows = useMemo(() => (found.value?.values ?? []).map((value, k) => ({ k: k + 1, value })).filter((row) => row.value > 0), [found.value]);
  if (found.problem) return <p class="quiet small">{found.problem}</p>;
  if (!found.value) return <Waiting>Factorizing …</Waiting>;
  return <Chart spec={SPECTRUM} rows={rows} label={`Singular values of ${tensor}`} height={170} />;
}

const SPECTRUM: Spec = {
  mark: { type: "line" },
  encoding: {
    x: { field: "k", type: "quantitative", axis: { title: "number", grid: false, tickCount: 6, tickMinStep: 1 } },
    y: { field: "value", type: "quantitative", scale: { type: "log", nice: false }, axis: { title: null, format: ".3~g", tickCount: 5 } },
  },
};

interface Comparison {
  verdict: string;
  statement: string;
  statuses: Record<string, number>;
  findings: Finding[];
  tensors: { name: string; other: string | null; status: string; relative_norm: number | null; cosine: number | null; changed: number | null; max_difference: number | null; effective_rank: number | null }[];
}

function Compared({ first, second }: { first: string; second: string }) {
  const told = useLoading((signal) => ask<Comparison>("compare", { first, second }, signal), [first, second]);
  const found = told.value?.answer;
  if (told.problem) return <ProblemLine>{told.problem}</ProblemLine>;
  if (!found || !told.value) return <Waiting>Comparing, tensor by tensor …</Waiting>;
  const most = Math.max(...found.tensors.map((each) => each.relative_norm ?? 0));
  return (
    <>
      <Card title="The verdict" command={told.value.command} python={`pondera.compare("${first}", "${second}")`} exports={{ name: "compare", json: () => found }}>
        <div class="verdict">
          <strong data-testid="verdict">{found.statement}</strong>
          <span class="quiet">
            {Object.entries(found.statuses)
              .map(([status, count]) => `${count} ${status}`)
              .join(" · ")}
          </span>
        </div>
      </Card>
      {found.findings.length > 0 && (
        <Card title="What differs">
          <Findings of={found.findings} none="" />
        </Card>
      )}
      <Card title="Tensors" sentence="Relative change: the norm of the difference as a share of the norm before." exports={{ name: "compare-tensors", csv: () => [["name", "other", "status", "relative_norm", "cosine", "changed", "max_difference"], found.tensors.map((each) => [each.name, each.other, each.status, each.relative_norm, each.cosine, each.changed, each.max_difference])] }}>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>tensor</th>
                <th>status</th>
                <th>relative change</th>
                <th class="number" />
                <th class="number">cosine</th>
                <th class="number">values changed</th>
                <th class="number">largest difference</th>
              </tr>
            </thead>
            <tbody>
              {found.tensors.slice(0, 400).map((each) => (
                <tr key={`${each.name} ${each.other}`}>
                  <td class="name">{each.name ?? each.other}</td>
                  <td class="quiet one-line">{each.status}</td>
                  <td style={{ width: "18%" }}>{each.relative_norm === null ? null : <Bar value={each.relative_norm} most={most} thin />}</td>
                  <td class="number">{share(each.relative_norm, 2)}</td>
                  <td class="number">{figure(each.cosine)}</td>
                  <td class="number">{share(each.changed)}</td>
                  <td class="number">{figure(each.max_difference)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
    </>
  );
}

interface Series {
  checkpoints: { name: string; norm: number | null; from_previous: number | null; from_first: number | null; not_finite: number; parts: Record<string, { norm: number | null; from_previous: number | null; from_first: number | null }> }[];
  tensors: { name: string; times_changed: number; never_moved: boolean }[];
  findings: Finding[];
}

function Timeline({ folder }: { folder: string }) {
  const told = useLoading((signal) => ask<Series>("timeline", { folder }, signal), [folder]);
  const found = told.value?.answer;
  const rows = useMemo(
    () => (found?.checkpoints ?? []).flatMap((each, k) => Object.entries(each.parts).map(([part, figures]) => ({ checkpoint: `${k + 1}`, order: k, part, value: k === 0 ? 0 : figures.from_first }))).filter((row) => row.value !== null),
    [found],
  );
  if (told.problem) return <ProblemLine>{told.problem}</ProblemLine>;
  if (!found || !told.value) return <Waiting>Following the weights from checkpoint to checkpoint …</Waiting>;
  return (
    <>
      <Card title="How far the weights moved" sentence="Since the first checkpoint, by part, as a share of their norm then." command={told.value.command} python={`pondera.timeline("${folder}")`} exports={{ name: "timeline", picture: "svg", json: () => found }}>
        <Chart spec={MOVED} rows={rows} label="Distance from the first checkpoint" height={260} />
      </Card>
      {found.findings.length > 0 && (
        <Card title="Worth knowing">
          <Findings of={found.findings} none="" />
        </Card>
      )}
      <Card title="Checkpoints" exports={{ name: "timeline-checkpoints", csv: () => [["name", "norm", "from_previous", "from_first", "not_finite"], found.checkpoints.map((each) => [each.name, each.norm, each.from_previous, each.from_first, each.not_finite])] }}>
        <div class="scroll">
          <table data-testid="timeline">
            <thead>
              <tr>
                <th>checkpoint</th>
                <th class="number">norm</th>
                <th class="number">from the one before</th>
                <th class="number">from the first</th>
                <th class="number">not finite</th>
              </tr>
            </thead>
            <tbody>
              {found.checkpoints.map((each) => (
                <tr key={each.name}>
                  <td class="name">
                    <a href={to("checkpoints", { file: folder === "." ? each.name : `${folder}/${each.name}` })}>{each.name}</a>
                  </td>
                  <td class="number">{figure(each.norm)}</td>
                  <td class="number">{share(each.from_previous, 2)}</td>
                  <td class="number">{share(each.from_first, 2)}</td>
                  <td class="number">{each.not_finite || "–"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
    </>
  );
}

const MOVED: Spec = {
  mark: { type: "line", point: { size: 24 } },
  encoding: {
    x: { field: "order", type: "ordinal", axis: { title: "checkpoint", labelExpr: "datum.value + 1", labelAngle: 0, grid: false } },
    y: { field: "value", type: "quantitative", axis: { title: null, format: ".3~g", tickCount: 5 } },
    color: { field: "part", type: "nominal", sort: null },
  },
};
