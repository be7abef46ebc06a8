import { useMemo } from "preact/hooks";
import { ask, useLoading } from "../api";
import { figure, share } from "../format";
import { to } from "../route";
import { Chart, NUMBERS, type Spec } from "./chart";
import { Card, type Finding, Findings, Name, ProblemLine, rowsOf, Waiting } from "./common";

interface Series {
  checkpoints: { name: string; norm: number | null; from_previous: number | null; from_first: number | null; not_finite: number; parts: Record<string, { norm: number | null; from_previous: number | null; from_first: number | null }> }[];
  tensors: { name: string; times_changed: number; never_moved: boolean }[];
  findings: Finding[];
}

export function Timeline({ folder }: { folder: string }) {
  const told = useLoading((signal) => ask<Series>("timeline", { folder }, signal), [folder]);
  const found = told.value?.answer;
  const rows = useMemo(
    () => (found?.checkpoints ?? []).flatMap((each, k) => Object.entries(each.parts).map(([part, figures]) => ({ checkpoint: `${k + 1}`, order: k, part, value: k === 0 ? 0 : figures.from_first }))).filter((row) => row.value !== null),
    [found],
  );
  const fromZero = [...new Set((found?.checkpoints ?? []).slice(1).flatMap((each) => Object.entries(each.parts).flatMap(([part, figures]) => (figures.from_first === null ? [part] : []))))];
  if (told.problem) return <ProblemLine>{told.problem}</ProblemLine>;
  if (!found || !told.value) return <Waiting>Following the weights from checkpoint to checkpoint …</Waiting>;
  return (
    <>
      <Card title="How far the weights moved" sentence="Since the first checkpoint, by part, as a share of their norm then." same={told.value} exports={{ name: "timeline", picture: "svg", json: () => found }}>
        <Chart spec={MOVED} rows={rows} label="Distance from the first checkpoint" height={260} />
        {fromZero.length > 0 && <p class="quiet small">Began at 0, of which nothing is a share: {fromZero.join(", ")}.</p>}
      </Card>
      {found.findings.length > 0 && (
        <Card title="Worth knowing" same={told.value} exports={{ name: "timeline-findings", json: () => found.findings, csv: () => rowsOf(found.findings) }}>
          <Findings of={found.findings} none="" />
        </Card>
      )}
      <Card title="Checkpoints" same={told.value} exports={{ name: "timeline-checkpoints", csv: () => [["name", "norm", "from_previous", "from_first", "not_finite"], found.checkpoints.map((each) => [each.name, each.norm, each.from_previous, each.from_first, each.not_finite])] }}>
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
                    <a href={to("checkpoints", { file: folder === "." ? each.name : `${folder}/${each.name}` })} aria-label={each.name}>
                      <Name>{each.name}</Name>
                    </a>
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
    y: { field: "value", type: "quantitative", axis: { title: null, ...NUMBERS, tickCount: 5 } },
    color: { field: "part", type: "nominal", sort: null },
  },
};
