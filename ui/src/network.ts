import { get, type Same } from "./api";

/** One network of a run, as routes are asked about it: without a number its first, or only, one. */
export type Which = { run: string; network?: number };

export function which(run: string, network: number): Which {
  return network ? { run, network } : { run };
}

/** How commands call a weight, a tensor or a unit of a network: those of the first have no number before them. */
export function named({ network }: Which, name: string): string {
  return network ? `networks.${network}.${name}` : name;
}

export interface Matrix {
  name: string;
  shape: [number, number];
  places: number[];
}

export interface Drawing extends Same {
  matrices: Matrix[];
  steps: number[];
  inputs: string[] | null;
  outputs: string[] | null;
}

/** A run, opened in Python. */
export function opened({ run }: Which): string {
  return `pondera.runs.open(${JSON.stringify(run)})`;
}

interface Sent {
  matrices: Matrix[];
  steps: number[];
  values: string;
}

/** The weights that are drawn before a step, matrix after matrix. Which they are may be others in another answer. */
export interface Frame {
  step: number;
  matrices: Matrix[];
  values: Float32Array;
}

export async function loadFrames(of: Which, steps: readonly number[], signal?: AbortSignal): Promise<Frame[]> {
  const sent = await get<Sent>("run/frames", { ...of, steps: steps.join(",") }, signal);
  const raw = Uint8Array.from(atob(sent.values), (letter) => letter.charCodeAt(0));
  const all = new Float32Array(raw.buffer);
  const width = sent.matrices.reduce((sum, each) => sum + each.places.length, 0);
  return sent.steps.map((step, at) => ({ step, matrices: sent.matrices, values: all.subarray(at * width, (at + 1) * width) }));
}

/** Of some frames that of the step nearest to one; null of none. */
export function nearest(frames: readonly Frame[], step: number): Frame | null {
  return frames.reduce<Frame | null>((best, each) => (best && Math.abs(best.step - step) <= Math.abs(each.step - step) ? best : each), null);
}

/** At most so many of some steps, evenly apart among them, with the first and the last. */
export function evenly(steps: readonly number[], most: number): number[] {
  if (steps.length <= most) return [...steps];
  const found = Array.from({ length: most }, (_, k) => steps[Math.round((k * (steps.length - 1)) / (most - 1))] as number);
  return [...new Set(found)];
}
