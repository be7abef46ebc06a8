import type { Frame, Matrix } from "../network";

/** A connection by what it is called: which of them are drawn changes while a network is trained. */
export interface Connection {
  tensor: string;
  input: number;
  output: number;
}

/** How `pondera weight` calls it: `layers.1.weight[3,7]`. */
export function nameOf({ tensor, input, output }: Connection): string {
  return `${tensor}[${input},${output}]`;
}

/** The connection of such a name. */
export function connectionOf(name: string): Connection | null {
  const [, tensor, input, output] = /^(.+)\[(\d+),\s*(\d+)\]$/.exec(name) ?? [];
  return tensor === undefined ? null : { tensor, input: Number(input), output: Number(output) };
}

/** Where a connection is among the values that are drawn; −1 where it is not drawn. */
export function placeOf(matrices: readonly Matrix[], { tensor, input, output }: Connection): number {
  let before = 0;
  for (const matrix of matrices) {
    if (matrix.name === tensor) {
      const found = output < matrix.shape[1] ? matrix.places.indexOf(input * matrix.shape[1] + output) : -1;
      return found < 0 ? -1 : before + found;
    }
    before += matrix.places.length;
  }
  return -1;
}

/** The names of all connections that are drawn, and their weights. */
export function weightsIn({ matrices, values }: Frame): [string, number][] {
  let at = 0;
  return matrices.flatMap(({ name, shape, places }) => places.map((place): [string, number] => [nameOf({ tensor: name, input: Math.floor(place / shape[1]), output: place % shape[1] }), values[at++] as number]));
}
