import { useMemo, useState } from "preact/hooks";
import { type Answer, ask, get, useLoading } from "../api";
import { amount, figure, share } from "../format";
import { Bar, Card, Figures, type Finding, Findings, Name, ProblemLine, rowsOf, Waiting } from "./common";
import { useSearch } from "./search";
import { Tensor, type TensorLine } from "./tensor-card";

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

export function Read({ file, about }: { file: string; about: { bytes: number } | undefined }) {
  const first = useLoading((signal) => get<Contents>("contents", { file }, signal), [file]);
  const told = useLoading((signal) => ask<Reading>("checkpoint", { file }, signal), [file]);
  const [tensor, choose] = useState<string | null>(null);
  const read = told.value?.answer;
  const reading = read ?? first.value;
  const waiting = <Waiting>Reading {about ? amount(about.bytes) : "the file"}: every value once …</Waiting>;
  if (!reading) return first.problem ? <ProblemLine>{told.problem ?? first.problem}</ProblemLine> : waiting;
  const shown = reading.tensors.find((each) => each.name === tensor) ?? reading.tensors.reduce((best, each) => (each.count > best.count ? each : best), reading.tensors[0] as TensorLine);
  const name = file.replaceAll("/", "-");
  return (
    <>
      <Figures
        of={[
          ["format", reading.format],
          ["bytes of tensors", amount(reading.bytes)],
          ["tensors", reading.tensors.length.toLocaleString("en")],
          ["weights", reading.tensors.reduce((sum, each) => sum + each.count, 0).toLocaleString("en")],
          ["layers", reading.layers.length.toLocaleString("en")],
          ["findings", read ? <span class={read.findings.length ? "negative" : ""}>{read.findings.length}</span> : told.problem ? "–" : "…"],
        ]}
      />
      <Card title="What is wrong or worth knowing" same={told.value} exports={{ name: `${name}-findings`, empty: !read, json: () => read?.findings, csv: () => rowsOf(read?.findings ?? []) }}>
        {read ? <Findings of={read.findings} none="Nothing that the rules know of." /> : told.problem ? <ProblemLine>{told.problem}</ProblemLine> : waiting}
      </Card>
      <Layers file={file} name={name} reading={reading} told={told.value} />
      {shown && read && <Tensor key={shown.name} file={file} tensor={shown} />}
      <Tensors name={name} reading={reading} told={told.value} shown={shown} onChoose={choose} />
    </>
  );
}

/** What the file is made of, and how strong each part is. */
function Layers({ file, name, reading, told }: { file: string; name: string; reading: Contents; told: Answer<Reading> | null }) {
  const [spectrum, setSpectrum] = useState(false);
  const spectra = useLoading(spectrum ? (signal) => ask<Reading>("checkpoint", { file, spectrum: true }, signal) : null, [file, spectrum]);
  const layers = spectra.value?.answer.layers ?? reading.layers;
  const strongest = Math.max(...layers.map((each) => each.strength ?? 0));
  const largest = Math.max(...layers.map((each) => each.count));
  const search = useSearch(layers, 300, "layer");
  return (
    <Card
      title="Layers"
      sentence="By size and by connection strength: of each output unit the root of the sum of its squared weights, their root mean square."
      right={
        <span class="row">
          {search.field}
          <button type="button" disabled={spectrum || !told} onClick={() => setSpectrum(true)}>
            {spectra.working ? "Looking at singular values …" : "Singular values"}
          </button>
        </span>
      }
      same={spectra.value ?? told}
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
            {search.shown.map((each) => (
              <tr key={each.name}>
                <td class="name">
                  <Name>{each.name}</Name>
                </td>
                <td class="quiet">{each.kind}</td>
                <td class="number quiet">{each.inputs === null ? (each.outputs ?? "–") : `${each.inputs} → ${each.outputs}`}</td>
                <td style={{ width: "16%" }}>
                  <Bar value={Math.sqrt(each.count)} most={Math.sqrt(largest)} thin />
                </td>
                <td class="number">{each.count.toLocaleString("en")}</td>
                <td style={{ width: "16%" }}>{each.strength == null ? null : <Bar value={each.strength} most={strongest} thin />}</td>
                <td class="number">{told ? figure(each.strength) : ""}</td>
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
      {search.line}
    </Card>
  );
}

/** All tensors, the largest first. */
function Tensors({ name, reading, told, shown, onChoose }: { name: string; reading: Contents; told: Answer<Reading> | null; shown: TensorLine | undefined; onChoose: (name: string) => void }) {
  const search = useSearch(useMemo(() => reading.tensors.toSorted((a, b) => b.count - a.count), [reading]), 400, "tensor");
  return (
    <Card title="Tensors" sentence="Choose one to see it." right={search.field} same={told} exports={{ name: `${name}-tensors`, json: () => reading.tensors, csv: () => [["name", "shape", "dtype", "count", "min", "max", "mean", "std", "norm", "zeros", "nan"], reading.tensors.map((each) => [each.name, each.shape.join("x"), each.dtype, each.count, each.min, each.max, each.mean, each.std, each.norm, each.zeros, each.nan])] }}>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>tensor</th>
              <th>dtype</th>
              <th class="number">shape</th>
              {told && (
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
            {search.shown.map((each) => (
              <tr key={each.name} class={each.name === shown?.name ? "chosen" : ""}>
                <td class="name">
                  <button type="button" class="link" aria-label={each.name} onClick={() => onChoose(each.name)}>
                    <Name>{each.name}</Name>
                  </button>
                </td>
                <td class="quiet">{each.dtype}</td>
                <td class="number quiet">{each.shape.join(" × ") || "number"}</td>
                {told && (
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
      {search.line}
    </Card>
  );
}
