import { get } from "./api";

export interface Matrix {
  name: string;
  shape: [number, number];
  places: number[];
}

export interface Drawing {
  matrices: Matrix[];
  steps: number[];
  inputs: string[] | null;
}

interface Sent {
  matrices: Matrix[];
  steps: number[];
  values: string;
}

/** The weights that are drawn, at some steps: of each step, matrix after matrix. */
export interface Frames {
  matrices: Matrix[];
  steps: number[];
  values: Float32Array[];
}

export async function loadFrames(run: string, steps: readonly number[], signal?: AbortSignal): Promise<Frames> {
  const sent = await get<Sent>("run/frames", { run, steps: steps.join(",") }, signal);
  const raw = Uint8Array.from(atob(sent.values), (letter) => letter.charCodeAt(0));
  const all = new Float32Array(raw.buffer);
  const width = sent.matrices.reduce((sum, each) => sum + each.places.length, 0);
  return { matrices: sent.matrices, steps: sent.steps, values: sent.steps.map((_, at) => all.subarray(at * width, (at + 1) * width)) };
}

/** At most so many of some steps, evenly apart among them, with the first and the last. */
export function evenly(steps: readonly number[], most: number): number[] {
  if (steps.length <= most) return [...steps];
  const found = Array.from({ length: most }, (_, k) => steps[Math.round((k * (steps.length - 1)) / (most - 1))] as number);
  return [...new Set(found)];
}
