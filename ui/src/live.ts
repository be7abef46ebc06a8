import { useEffect, useRef, useState } from "preact/hooks";
import { get, Problem, type Same, sentence } from "./api";
import { type Drawing, evenly, type Frame, loadFrames, nearest, type Which } from "./network";
import { isOn, type Pulse } from "./pulse";

export interface Epoch {
  epoch: number;
  training_loss: number | null;
  validation_loss: number | null;
  validation_metric: number | null;
  learning_rate: number;
  seconds?: number;
  step: number;
}

/** Of a CSV: epochs for programs are counted from 0, as in JSON and Python; charts count from 1, as people do. */
export const EPOCH = "epoch from 0";

export type Stretch = [first: number, mean: number, low: number, high: number];

export interface Curves extends Same {
  epochs: Epoch[];
  norms: Stretch[];
  norms_python: string;
  /** Whether a stretch is of several steps. */
  joined: boolean;
  kept: number;
}

/** So many times as long as a look took passes before the next, … */
const SPARING = 30;
/** … and this share of the time since the first: there is little more to see before. … */
const MORE = 1 / 4;
/** … But no more than so many milliseconds. */
const LONGEST = 4000;
/** Milliseconds after which what failed is tried again, twice as many each time, … */
const RETRIED = 1000;
/** … up to so many. */
const RARELY = 30_000;

/**
 * Call something whenever a value changes, and once for the last.
 *
 * Never more often than every so many milliseconds, and the less often the longer it takes and the longer it goes on: whoever
 * looks takes time from cores that train. Where `now` changes, somebody waits, and it is called at once. What failed is tried again,
 * unless the server would only say the same. Until it is done, why it failed is returned.
 */
export function useSettled(value: unknown, every: number, call: () => Promise<void>, now?: unknown): string | null {
  const [problem, setProblem] = useState<string | null>(null);
  const failed = useRef(0);
  const there = useRef(true);
  const busy = useRef(false);
  const due = useRef(false);
  const latest = useRef(call);
  const wake = useRef(() => {});
  const hurried = useRef(false);
  const since = useRef(0);
  latest.current = call;
  useEffect(() => {
    hurried.current = true; // also where the look that it came in is not over
    wake.current();
  }, [now]);
  useEffect(() => {
    due.current = true;
    const turn = async () => {
      if (busy.current || !due.current) return;
      busy.current = true;
      due.current = false;
      hurried.current = false;
      const begun = performance.now();
      since.current ||= begun;
      try {
        await latest.current();
        failed.current = 0;
        setProblem(null);
      } catch (error) {
        setProblem(sentence(error));
        if (error instanceof Problem && error.final) failed.current = 0;
        else {
          failed.current++;
          due.current = true;
        }
      }
      const sparing = Math.max(SPARING * (performance.now() - begun), MORE * (begun - since.current));
      const rest = failed.current ? Math.min(RETRIED * 2 ** (failed.current - 1), RARELY) : hurried.current ? 0 : Math.max(every, Math.min(sparing, LONGEST));
      await new Promise<void>((done) => {
        setTimeout(done, rest);
        wake.current = done;
      });
      busy.current = false;
      if (there.current) void turn();
    };
    void turn();
  }, [value]);
  useEffect(() => () => void (there.current = false), []);
  return problem;
}

/** Milliseconds between two looks at the curves. */
const CURVES = 1000;

/** After how many epochs and steps the last figures are: all that stands beside them is of the same; before the first epoch is over, how far it is. */
export function reached(curves: Curves | null, pulse: Pulse | null): { epochs: number; steps: number; last: Epoch | null } {
  const last = curves?.epochs.at(-1) ?? null;
  return last ? { epochs: last.epoch + 1, steps: last.step, last } : { epochs: pulse?.epochs ?? 0, steps: pulse?.steps ?? 0, last };
}

/** The curves of a network, and what is new of them as it goes on. */
export function useCurves(of: Which, pulse: Pulse | null): { curves: Curves | null; problem: string | null } {
  const [curves, set] = useState<Curves | null>(null);
  const problem = useSettled(pulse?.there ? `${pulse.epochs} ${pulse.activity}` : null, CURVES, async () => {
    if (!pulse?.there) return;
    const known = curves && curves.epochs.length <= (pulse.epochs ?? 0) ? curves.epochs : [];
    const found = await get<Curves>("run/curves", { ...of, epoch: (known.at(-1)?.epoch ?? -1) + 1 });
    set({ ...found, epochs: [...known, ...found.epochs] });
  }, pulse?.activity);
  return { curves, problem };
}

/** Whether rows are held out, and whether something is measured on them; before the first epoch is over it is expected. */
export function heldOut(curves: Curves | null): { loss: boolean; metric: boolean } {
  const epochs = curves?.epochs ?? [];
  const any = (field: "validation_loss" | "validation_metric") => epochs.length === 0 || epochs.some((each) => each[field] !== null);
  return { loss: any("validation_loss"), metric: any("validation_metric") };
}

/** The weights that the model has, where training went on after them: after which step they were taken, and the epoch as people count it. */
export interface Kept {
  step: number;
  /** Null where its figures are not kept: of very many epochs not all are. */
  epoch: number | null;
}

/** Which weights were kept of a training that has ended; null where they are the last that can be drawn. */
export function keptOf(curves: Curves | null, recorded: readonly number[]): Kept | null {
  if (!curves || curves.kept >= (recorded.at(-1) ?? 0)) return null;
  const epoch = curves.epochs.find((each) => each.step === curves.kept);
  return { step: curves.kept, epoch: epoch ? epoch.epoch + 1 : null };
}

/** After a step that is shown: whether what is shown of it is of the model, and of which step that is if not. */
export function besideModel(step: number, kept: Kept | null): string {
  if (!kept) return "";
  return step === kept.step ? ", the model" : `; the model is of step ${kept.step.toLocaleString("en")}`;
}

/** Which step is shown: the latest of a training that goes on is seldom the one that it is at. */
export function shownStep(step: number, at: number | null, kept: Kept | null): string {
  const words = `step ${step.toLocaleString("en")}`;
  if (at === null) return `${words}${besideModel(step, kept)}`;
  return step < at ? `last recorded: ${words}; training is at step ${at.toLocaleString("en")}` : `now, ${words}`;
}

/** Of so many recorded steps at most the weights are fetched at once, evenly apart. */
const REPLAYED = 120;

export interface Life {
  drawing: Drawing;
  frames: Frame[];
}

/** The weights that are drawn: the latest while training goes on, steps of the whole life once it has ended. */
export function useLife(of: Which, pulse: Pulse | null, whole: boolean): { life: Life | null; problem: string | null } {
  const [life, set] = useState<Life | null>(null);
  const on = isOn(pulse);
  const problem = useSettled(pulse?.there ? `${pulse.recorded} ${on} ${whole}` : null, 300, async () => {
    if (!pulse?.there) return;
    const drawing = await get<Drawing>("run/network", of);
    if (drawing.steps.length === 0) return;
    const steps = on && !whole ? drawing.steps.slice(-1) : evenly(drawing.steps, REPLAYED);
    set({ drawing, frames: await loadFrames(of, steps) });
  }, `${on} ${whole}`);
  return { life, problem };
}

/** Steps before and after one that are fetched with it, … */
const AROUND = 20;
/** … once nobody has gone on for so many milliseconds. */
const RESTED = 150;

/** What is drawn at one of all recorded steps: until that one is there, what is nearest to it. */
export function useFrame(of: Which, life: Life | null, place: number): { frame: Frame | null; problem: string | null } {
  const [around, set] = useState<Frame[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const steps = life?.drawing.steps ?? [];
  const step = steps[place] ?? 0;
  const frame = nearest([...(life?.frames ?? []), ...around], step);
  const absent = frame !== null && frame.step !== step;
  useEffect(() => {
    setProblem(null);
    if (!absent) return;
    const control = new AbortController();
    const load = () => loadFrames(of, steps.slice(Math.max(place - AROUND, 0), place + AROUND + 1), control.signal);
    const timer = setTimeout(() => void load().then(set, (error: unknown) => control.signal.aborted || setProblem(sentence(error))), RESTED);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [step, absent]);
  return { frame, problem };
}
