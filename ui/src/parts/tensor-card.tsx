import { useMemo, useState } from "preact/hooks";
import { get, type Same, useLoading } from "../api";
import { figure } from "../format";
import { Chart, NUMBERS, type Spec } from "./chart";
import { Card, SameAs, Waiting } from "./common";
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
}

export function Tensor({ file, tensor }: { file: string; tensor: TensorLine }) {
  const [rows, columns] = tensor.shape.length < 2 ? [1, tensor.count] : [tensor.shape[0] as number, tensor.count / (tensor.shape[0] || 1)];
  const name = `${file.replaceAll("/", "-")}-${tensor.name}`;
  const [spectrum, setSpectrum] = useState(false);
  const spread = useLoading((signal) => get<Histogram>("histogram", { file, tensor: tensor.name }, signal), [file, tensor.name]);
  return (
    <Card
      title={tensor.name}
      sentence={`${tensor.shape.join(" × ") || "a number"}${tensor.shape.length > 2 ? ", the first axis down and all others across" : ""}. From afar each cell is the value of the largest size in it.`}
      same={spread.value}
      exports={{ name, picture: "canvas", json: () => tensor }}
    >
      {tensor.count > 0 && tensor.min != null ? <HeatMap path="tile" query={{ file, tensor: tensor.name }} name={tensor.name} rows={rows} columns={columns} most={tensor.linf ?? 1} /> : <p class="empty">It has no values to show.</p>}
      <div class="row" style={{ marginTop: "0.6rem" }}>
        <a class="small" href={`/api/tensor?${new URLSearchParams({ file, tensor: tensor.name })}`} download={`${name}.csv`}>
          values as CSV
        </a>
      </div>
      {tensor.count > 1 && (
        <details style={{ marginTop: "0.6rem" }} open>
          <summary>How its values are spread</summary>
          {spread.problem ? <p class="quiet small">{spread.problem}</p> : spread.value ? <Spread tensor={tensor} found={spread.value} /> : <Waiting>Counting …</Waiting>}
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

interface Histogram extends Same {
  bins: { from: number; to: number; count: number }[];
  count: number;
  not_finite: number;
}

/** How all values of a tensor are spread. */
function Spread({ tensor, found }: { tensor: TensorLine; found: Histogram }) {
  return (
    <div data-testid="histogram">
      <Chart spec={HISTOGRAM} rows={found.bins} label={`Histogram of ${tensor.name}`} height={150} />
      <p class="quiet small">
        {found.count.toLocaleString("en")} values{found.not_finite > 0 && `, ${found.not_finite.toLocaleString("en")} of them not finite and in no bin`}; mean {figure(tensor.mean)}, spread {figure(tensor.std)}; from {figure(tensor.min)} to {figure(tensor.max)}.
      </p>
    </div>
  );
}

const HISTOGRAM: Spec = {
  mark: { type: "bar", binSpacing: 0.5 },
  encoding: {
    x: { field: "from", type: "quantitative", bin: { binned: true }, axis: { title: null, grid: false, ...NUMBERS, tickCount: 7 } },
    x2: { field: "to" },
    // One value among millions is seen too.
    y: { field: "count", type: "quantitative", scale: { type: "symlog" }, axis: { title: "values, logarithmic", values: [0, ...Array.from({ length: 12 }, (_, k) => 10 ** k)], labelExpr: "format(datum.value, '~s')", labelOverlap: true } },
  },
};

/** The singular values of a tensor as a matrix, in their order. */
function SingularValues({ file, tensor }: { file: string; tensor: string }) {
  const found = useLoading((signal) => get<Same & { values: number[] }>("singular-values", { file, tensor }, signal), [file, tensor]);
  const rows = useMemo(() => (found.value?.values ?? []).map((value, k) => ({ k: k + 1, value })).filter((row) => row.value > 0), [found.value]);
  if (found.problem) return <p class="quiet small">{found.problem}</p>;
  if (!found.value) return <Waiting>Factorizing …</Waiting>;
  return (
    <>
      <Chart spec={SPECTRUM} rows={rows} label={`Singular values of ${tensor}`} height={170} />
      <SameAs of={found.value} />
    </>
  );
}

const SPECTRUM: Spec = {
  mark: { type: "line" },
  encoding: {
    x: { field: "k", type: "quantitative", axis: { title: "number", grid: false, tickCount: 6, tickMinStep: 1 } },
    y: { field: "value", type: "quantitative", scale: { type: "log", nice: false }, axis: { title: null, ...NUMBERS, tickCount: 5 } },
  },
};
