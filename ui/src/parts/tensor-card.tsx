import { useMemo, useState } from "preact/hooks";
import { get, useLoading } from "../api";
import { figure } from "../format";
import { Chart, type Spec } from "./chart";
import { Card, Waiting } from "./common";
import { HeatMap } from "./heat-map";

/** A tensor; its figures are there once its values were read. */
export interface TensorLine {
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

export function Tensor({ file, tensor }: { file: string; tensor: TensorLine }) {
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
