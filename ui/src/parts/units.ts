import type { Matrix } from "../network";

/** A unit of the picture: in which column it is, and which of it. Column 0 are the inputs, column k what matrix k − 1 gives. */
export interface Unit {
  column: number;
  unit: number;
}

/** A column as it is laid out. */
export interface Column {
  x: number;
  units: number;
  y: (unit: number) => number;
}

export interface Strength {
  /** The name of the connection. */
  name: string;
  /** The unit at its other end. */
  unit: number;
  value: number;
}

/** How near the pointer must be to a unit, in pixels. */
const REACH = 9;

/** How `pondera unit` calls it: `inputs[2]`, `layers.1[7]`. */
export function nameOfUnit(matrices: readonly Matrix[], { column, unit }: Unit): string {
  const into = matrices[column - 1];
  return `${into ? into.name.replace(/\.weight$/, "") : "inputs"}[${unit}]`;
}

/** The unit at a place, where one is near. */
export function unitNear(columns: readonly Column[], x: number, y: number): Unit | null {
  let best: Unit | null = null;
  let least = REACH;
  columns.forEach((column, at) => {
    if (column.units === 0 || Math.abs(x - column.x) > REACH) return;
    const gap = column.y(1) - column.y(0);
    const unit = Math.min(Math.max(Math.round((y - column.y(0)) / gap), 0), column.units - 1);
    const distance = Math.hypot(x - column.x, y - column.y(unit));
    if (distance < least) {
      least = distance;
      best = { column: at, unit };
    }
  });
  return best;
}

/** The unit that an arrow key leads to: up and down in its column, left and right to the unit opposite in the next. */
export function unitBeside(columns: readonly Column[], from: Unit | null, key: string): Unit | null {
  const counts = columns.map((each) => each.units);
  if (!counts.some((count) => count > 0)) return null;
  if (!from) return { column: 0, unit: 0 };
  const count = counts[from.column] ?? 1;
  if (key === "ArrowDown" || key === "ArrowUp") return { ...from, unit: (from.unit + (key === "ArrowDown" ? 1 : -1) + count) % count };
  const column = (from.column + (key === "ArrowRight" ? 1 : -1) + counts.length) % counts.length;
  return { column, unit: Math.min(Math.round((from.unit / Math.max(count - 1, 1)) * ((counts[column] ?? 1) - 1)), (counts[column] ?? 1) - 1) };
}

/** What comes into a unit and what goes out of it, of the connections that are drawn, the strongest first. */
export function strengthsOf(matrices: readonly Matrix[], values: Float32Array, { column, unit }: Unit): { incoming: Strength[]; outgoing: Strength[] } {
  const found = { incoming: [] as Strength[], outgoing: [] as Strength[] };
  let at = 0;
  matrices.forEach((matrix, k) => {
    for (const place of matrix.places) {
      const value = values[at++] ?? 0;
      const [input, output] = [Math.floor(place / matrix.shape[1]), place % matrix.shape[1]];
      const name = `${matrix.name}[${input},${output}]`;
      if (k === column - 1 && output === unit) found.incoming.push({ name, unit: input, value });
      if (k === column && input === unit) found.outgoing.push({ name, unit: output, value });
    }
  });
  for (const each of [found.incoming, found.outgoing]) each.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  return found;
}
