import { useMemo } from "preact/hooks";
import type { Same } from "../api";
import { figure } from "../format";
import { Chart, NUMBERS, type Spec } from "./chart";
import { Card } from "./common";
import type { Explanation } from "./importance";

/** May large weights be read as important inputs here? Both, one against the other. */
export function StrengthAndImportance({ found, same }: { found: Explanation; same: Same }) {
  const method = found.methods.find((each) => each.kind === "strength" && found.inputs.some((input) => input.methods[each.name] != null));
  const says = found.weights_as_importance;
  const rows = useMemo(() => (method ? named(found.inputs.map((each) => ({ column: each.name, strength: 100 * (each.methods[method.name] ?? 0), importance: 100 * (each.importance ?? 0) }))) : []), [found]);
  if (!says) return null;
  return (
    <Card title="May I read weights as importance here?" same={same} exports={{ name: "strength-against-importance", picture: "svg", csv: () => [["column", "strength", "importance"], rows.map((row) => [row.column, row.strength, row.importance])] }}>
      <div class="grid main-side">
        <Chart spec={STRENGTH} rows={rows} label="Connection strength against importance, by column" height={300} />
        <div class={`verdict ${says.verdict === "yes" ? "good" : says.verdict === "no" ? "bad" : "middling"}`}>
          <strong>{says.verdict}</strong>
          <p>{says.statement}</p>
          {says.verdict !== "cannot be told" && says.rank_correlation !== null && (
            <p class="quiet small">
              Rank correlation {figure(says.rank_correlation, 2)}
              {says.interval && `, from ${figure(says.interval[0], 2)} to ${figure(says.interval[1], 2)}`}.
            </p>
          )}
        </div>
      </div>
    </Card>
  );
}

interface Place {
  column: string;
  strength: number;
  importance: number;
}

/** Columns that are written beside their places, at most. */
const NAMED = 6;
/** How far names lie apart, as shares of the axes, where the page is narrow. */
const APART = { strength: 0.35, importance: 0.055 };

/** Say which places have their names written before or after them: the most important, and none whose name would lie over another's. */
function named(places: readonly Place[]): (Place & { named: "before" | "after" | null })[] {
  const most = (by: "strength" | "importance") => Math.max(...places.map((each) => each[by]));
  const near = (one: Place, other: Place, by: "strength" | "importance") => Math.abs(one[by] - other[by]) < APART[by] * most(by);
  const chosen: Place[] = [];
  for (const place of places.toSorted((one, other) => other.importance - one.importance).slice(0, NAMED))
    if (!chosen.some((each) => near(each, place, "strength") && near(each, place, "importance"))) chosen.push(place);
  return places.map((place) => ({ ...place, named: !chosen.includes(place) ? null : place.strength > most("strength") / 2 ? "before" : "after" }));
}

const STRENGTH: Spec = {
  encoding: {
    x: { field: "strength", type: "quantitative", axis: { title: "connection strength, % of all", ...NUMBERS, tickCount: 5 } },
    y: { field: "importance", type: "quantitative", axis: { title: "importance, % of all", ...NUMBERS, tickCount: 5 } },
  },
  layer: [
    { mark: { type: "point", filled: true, size: 60, opacity: 0.85 }, encoding: { tooltip: { field: "column" } } },
    {
      transform: [{ filter: "datum.named === 'after'" }],
      mark: { type: "text", align: "left", dx: 7, dy: -6, fontSize: 11 },
      encoding: { text: { field: "column" } },
    },
    {
      transform: [{ filter: "datum.named === 'before'" }],
      mark: { type: "text", align: "right", dx: -7, dy: -6, fontSize: 11 },
      encoding: { text: { field: "column" } },
    },
  ],
};
