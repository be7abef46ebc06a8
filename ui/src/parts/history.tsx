import { useMemo } from "preact/hooks";
import { Chart, numbersOver, type Spec } from "./chart";

/** The values of something before recorded steps; those that were not kept came after what was. */
export interface Recorded {
  history: readonly { step: number; value: number }[];
  not_kept: readonly { step: number; value: number }[];
}

/** The values of a weight or a bias by step: dashed where training went on after the weights that were kept. */
export function History({ of, label, height }: { of: Recorded; label: string; height: number }) {
  const rows = useMemo(() => {
    const part = (values: Recorded["history"], part: string) => values.map((each) => ({ ...each, part }));
    const parting = of.not_kept.length > 0 ? of.history.slice(-1) : []; // the dashed line begins where the other ends
    return [...part(of.history, "kept"), ...part([...parting, ...of.not_kept], "not kept")];
  }, [of]);
  const last = rows.at(-1)?.step ?? 0;
  const spec = useMemo(() => valuesUpTo(last, rows.map((each) => each.value)), [last, rows]);
  return (
    <>
      <Chart spec={spec} rows={rows} label={label} height={height} />
      {of.not_kept.length > 0 && <p class="quiet small">Dashed: what training made of it after step {of.history.at(-1)?.step.toLocaleString("en") ?? 0}, which was not kept.</p>}
    </>
  );
}

/** Values by step. The scale is that of log(1 + step): the first step is 0, and most happens early. */
function valuesUpTo(last: number, values: readonly number[]): Spec {
  const powers = Array.from({ length: Math.floor(Math.log10(Math.max(last, 1))) + 1 }, (_, k) => 10 ** k);
  return {
    encoding: { x: { field: "step", type: "quantitative", scale: { type: "symlog", constant: 1, nice: false }, axis: { title: "step, logarithmic", grid: false, values: [0, ...powers], format: "~s" } } },
    layer: [
      { mark: { type: "line" }, encoding: { y: { field: "value", type: "quantitative", scale: { zero: false }, axis: { title: null, tickCount: 5, ...numbersOver(values) } }, strokeDash: { field: "part", type: "nominal", legend: null, scale: { domain: ["kept", "not kept"], range: [[1, 0], [3, 3]] } } } },
      { mark: { type: "point", filled: true, size: 14 }, encoding: { y: { field: "value", type: "quantitative" } } },
    ],
  };
}
