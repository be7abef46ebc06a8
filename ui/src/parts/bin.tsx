import { useState } from "preact/hooks";
import { get, post, sentence, useLoading } from "../api";
import { when } from "../format";
import { Card, Name, ProblemLine } from "./common";

interface Deleted {
  name: string;
  run: string;
  deleted: number;
}

/** Runs that were deleted, each of which can be put back; nothing where there are none. */
export function Bin({ on, onRestored }: { on: unknown; onRestored: (run: string, was: string) => void }) {
  const [problem, setProblem] = useState<string | null>(null);
  const found = useLoading((signal) => get<{ runs: Deleted[] }>("bin", {}, signal), [on]);
  const restore = async (each: Deleted) => {
    setProblem(null);
    try {
      const { run } = await post<{ run: string }>("bin/restore", {}, { name: each.name });
      onRestored(run, each.run);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  const runs = found.value?.runs ?? [];
  if (runs.length === 0) return null;
  return (
    <Card title="Bin" sentence="What was deleted is kept here until you remove it from the folder .pondera/bin.">
      {problem && <ProblemLine>{problem}</ProblemLine>}
      <div class="scroll">
        <table data-testid="bin">
          <thead>
            <tr>
              <th>run</th>
              <th>deleted</th>
              <th>
                <span class="hidden">restore</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {runs.map((each) => (
              <tr key={each.name}>
                <td class="name">
                  <Name>{each.run}</Name>
                </td>
                <td class="quiet">{when(each.deleted)}</td>
                <td class="number">
                  <button type="button" class="plain" onClick={() => void restore(each)} aria-label={`Put ${each.run} back`}>
                    Put back
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
