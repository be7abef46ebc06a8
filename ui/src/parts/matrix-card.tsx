import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { bytes, get, type Same, useLoading } from "../api";
import { opened, type Which } from "../network";
import { isOn, type Pulse } from "../pulse";
import { Card, ProblemLine, Waiting } from "./common";
import { HeatMap } from "./heat-map";

interface Matrix extends Same {
  tensor: string;
  shape: [number, number];
  most: number;
}

/** A matrix of a run as colours, before the step that the slider is at; the slider is the one of the network. */
export function MatrixCard(props: { of: Which; pulse: Pulse; tensors: Record<string, number[]>; step: number; shown: string; children: ComponentChildren }) {
  const { of, step } = props;
  const sizes = Object.entries(props.tensors).filter((each): each is [string, [number, number]] => each[1].length === 2 && Math.min(...each[1]) > 1);
  const [chosen, choose] = useState<string | null>(null);
  const tensor = chosen ?? sizes.reduce<[string, number]>((best, [name, [rows, columns]]) => (rows * columns > best[1] ? [name, rows * columns] : best), ["", 0])[0];
  // The scale is asked for again when twice as many steps are known, and at the end.
  const known = Math.floor(Math.log2(Math.max(props.pulse.recorded ?? 1, 1)));
  const told = useLoading(tensor ? (signal) => get<Matrix>("run/matrix", { ...of, tensor }, signal) : null, [of, tensor, known, isOn(props.pulse)]);
  if (sizes.length === 0) return null;
  const found = told.value?.tensor === tensor ? told.value : null;
  const name = `${of.run.replaceAll("/", "-")}-${tensor}-step-${step}`;
  return (
    <Card
      title="A layer as colours"
      sentence="Inputs down, outputs across; on one scale for all recorded steps. From afar each cell is the weight of the largest size in it."
      right={
        <span class="row">
          <span class="quiet small">{props.shown}</span>
          <select aria-label="Which layer" value={tensor} onChange={(event) => choose(event.currentTarget.value)}>
            {sizes.map(([each, shape]) => (
              <option key={each} value={each}>
                {each} ({shape.join(" × ")})
              </option>
            ))}
          </select>
        </span>
      }
      same={{ command: null, python: `${opened(of)}.weights_at(${JSON.stringify(tensor)}, ${step}, ${of.network ?? 0})` }}
      exports={{ name, picture: "canvas", ...(found && Math.max(...found.shape) <= WHOLE ? { csv: () => values(of, found, step) } : {}) }}
    >
      {told.problem && <ProblemLine>{told.problem}</ProblemLine>}
      {found ? <HeatMap key={tensor} path="run/tile" query={{ ...of, tensor, step }} name={tensor} rows={found.shape[0]} columns={found.shape[1]} most={found.most} /> : <Waiting>Asking for its scale …</Waiting>}
      {props.children}
    </Card>
  );
}

/** Rows and columns of a matrix whose weights are saved, at most. */
const WHOLE = 1024;

/** All weights of a matrix before a step, row by row; columns are called by their number. */
async function values(of: Which, { tensor, shape: [rows, columns] }: Matrix, step: number): Promise<[string[], number[][]]> {
  const all = new Float32Array(await bytes("run/tile", { ...of, tensor, step, top: 0, bottom: rows, left: 0, right: columns, down: rows, across: columns }));
  return [Array.from({ length: columns }, (_, k) => String(k)), Array.from({ length: rows }, (_, row) => [...all.subarray(row * columns, (row + 1) * columns)])];
}
