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
/** How far names lie apart, as shares of the axes, where the page is narrow; and how far above or below its place one is. */
const APART = { strength: 0.35, importance: 0.055 };
const ASIDE = 0.04;

/** Where a name is written: before or after its place, and above or below it. */
interface Written {
  side: "before" | "after";
  up: 1 | -1;
}

/** Say which places have their names written, and where: the most important, above or else below, and none whose name would lie over another's. */
function named(places: readonly Place[]): (Place & Partial<Written>)[] {
  const most = { strength: Math.max(...places.map((each) => each.strength)), importance: Math.max(...places.map((each) => each.importance)) };
  const height = (place: Place, up: number) => place.importance + up * ASIDE * most.importance;
  const chosen = new Map<Place, Written>();
  const isFree = (place: Place, up: number) =>
    [...chosen].every(([other, written]) => Math.abs(place.strength - other.strength) >= APART.strength * most.strength || Math.abs(height(place, up) - height(other, written.up)) >= APART.importance * most.importance);
  for (const place of places.toSorted((one, other) => other.importance - one.importance).slice(0, NAMED)) {
    const up = ([1, -1] as const).find((each) => isFree(place, each) && height(place, 2 * each) >= 0); // below is the axis
    if (up) chosen.set(place, { side: place.strength > most.strength / 2 ? "before" : "after", up });
  }
  return places.map((place) => ({ ...place, ...chosen.get(place) }));
}

const STRENGTH: Spec = {
  encoding: {
    x: { field: "strength", type: "quantitative", axis: { title: "connection strength, % of all", ...NUMBERS, tickCount: 5 } },
    y: { field: "importance", type: "quantitative", axis: { title: "importance, % of all", ...NUMBERS, tickCount: 5 } },
  },
  layer: [
    { mark: { type: "point", filled: true, size: 60, opacity: 0.85 }, encoding: { tooltip: { field: "column" } } },
    ...(["before", "after"] as const).flatMap((side) =>
      ([1, -1] as const).map((up) => ({
        transform: [{ filter: `datum.side === '${side}' && datum.up === ${up}` }],
        mark: { type: "text", align: side === "after" ? "left" : "right", dx: side === "after" ? 7 : -7, dy: up > 0 ? -6 : 13, fontSize: 11 },
        encoding: { text: { field: "column" } },
      })),
    ),
  ],
};
