import { ask, useLoading } from "../api";
import { figure, share } from "../format";
import { Bar, Card, type Finding, Findings, Name, ProblemLine, rowsOf, Waiting } from "./common";

interface Comparison {
  verdict: string;
  statement: string;
  statuses: Record<string, number>;
  findings: Finding[];
  tensors: { name: string; other: string | null; status: string; relative_norm: number | null; cosine: number | null; changed: number | null; max_difference: number | null; effective_rank: number | null }[];
}

/** Two files of weights: what became of each tensor. */
export function Compared({ first, second }: { first: string; second: string }) {
  const told = useLoading((signal) => ask<Comparison>("compare", { first, second }, signal), [first, second]);
  const found = told.value?.answer;
  if (told.problem) return <ProblemLine>{told.problem}</ProblemLine>;
  if (!found || !told.value) return <Waiting>Comparing, tensor by tensor …</Waiting>;
  const most = Math.max(...found.tensors.map((each) => each.relative_norm ?? 0));
  const { shown, left } = listed(found.tensors);
  return (
    <>
      <Card title="The verdict" same={told.value} exports={{ name: "compare", json: () => found }}>
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
        <Card title="What differs" same={told.value} exports={{ name: "differences", json: () => found.findings, csv: () => rowsOf(found.findings) }}>
          <Findings of={found.findings} none="" />
        </Card>
      )}
      <Card title="Tensors" sentence="Relative change: the norm of the difference as a share of the norm before." same={told.value} exports={{ name: "compare-tensors", csv: () => [["name", "other", "status", "relative_norm", "cosine", "changed", "max_difference"], found.tensors.map((each) => [each.name, each.other, each.status, each.relative_norm, each.cosine, each.changed, each.max_difference])] }}>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>tensor</th>
                <th>status</th>
                <th class="number">relative change</th>
                <th class="number" />
                <th class="number">cosine</th>
                <th class="number">values changed</th>
                <th class="number">largest difference</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((each) => (
                <tr key={`${each.name} ${each.other}`}>
                  <td class="name">
                    <Name>{each.name ?? each.other ?? ""}</Name>
                  </td>
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
        {left.length > 0 && <p class="quiet small">and {left.map(([status, count]) => `${count.toLocaleString("en")} more: ${status}`).join("; ")}. The CSV holds all.</p>}
      </Card>
    </>
  );
}

const MOST_PAIRS = 400;
const MOST_ALONE = 20;

/** The tensors that are listed, and by status how many are not: of what has nothing to be compared with, a few say enough. */
function listed(tensors: Comparison["tensors"]): { shown: Comparison["tensors"]; left: [string, number][] } {
  const seen = new Map<string, number>();
  const shown = tensors.filter(({ status }) => {
    const count = (seen.get(status) ?? 0) + 1;
    seen.set(status, count);
    return count <= (status.startsWith("only in") ? MOST_ALONE : MOST_PAIRS);
  });
  for (const { status } of shown) seen.set(status, (seen.get(status) ?? 0) - 1);
  return { shown, left: [...seen].filter(([, count]) => count > 0) };
}
