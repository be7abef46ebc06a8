import { figure } from "../format";
import { Bar, Name } from "./common";

/** Connections of one side of a unit, the strongest first, as bars to the left and right of 0; `all` is how many there are, where not all are given. */
export function Strengths(props: { title: string; of: readonly { name: string; unit: number; value: number | null }[]; names?: readonly string[] | null; empty: string; onChoose?: (unit: number) => void; shown?: number; all?: number | undefined }) {
  const shown = props.of.slice(0, props.shown ?? 10);
  const weaker = (props.all ?? props.of.length) - shown.length;
  const most = Math.max(...props.of.map((each) => Math.abs(each.value ?? 0)), 0);
  return (
    <div class="scroll">
      <h3>{props.title}</h3>
      {shown.length === 0 ? (
        <p class="empty">{props.empty}</p>
      ) : (
        <table>
          <tbody>
            {shown.map((each) => {
              const label = props.names?.[each.unit] ?? `unit ${each.unit}`;
              return (
                <tr key={each.name} title={each.name}>
                  <td>
                    {props.onChoose ? (
                      <button type="button" class="link" aria-label={label} onClick={() => props.onChoose?.(each.unit)}>
                        <Name>{label}</Name>
                      </button>
                    ) : (
                      <Name>{label}</Name>
                    )}
                  </td>
                  <td style={{ width: "38%" }}>
                    <Bar value={each.value} most={most} signed thin />
                  </td>
                  <td class={`number ${(each.value ?? 0) < 0 ? "negative" : "positive"}`}>{figure(each.value, 3)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {shown.length > 0 && weaker > 0 && <p class="quiet small">and {weaker === 1 ? "a weaker one" : `${weaker.toLocaleString("en")} weaker ones`}</p>}
    </div>
  );
}

