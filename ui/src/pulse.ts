import { useEffect, useState } from "preact/hooks";
import { address, heard, LOST, whyNot } from "./api";
import type { Which } from "./network";

/** What a training does, as the server tells it. */
export interface Pulse {
  activity: "starting" | "running" | "pausing" | "paused" | "stopping" | "ended" | "failed";
  error: string | null;
  there: boolean;
  state?: string;
  steps?: number;
  epochs?: number;
  recorded?: number;
  latest?: string | null;
  planned?: number | null;
  saved?: boolean;
  /** Why it cannot be looked at. */
  problem?: string | null;
  /** Whether it was stopped before there was a run. */
  stopped?: boolean;
}

export function isOn(pulse: Pulse | null): boolean {
  return pulse !== null && goesOn(pulse.activity);
}

export function goesOn(activity: string): boolean {
  return ["starting", "running", "pausing", "paused", "stopping"].includes(activity);
}

/** The latest word, and why there is none after it. */
interface Told {
  pulse: Pulse | null;
  problem: string | null;
}

type Tell = (told: Told) => void;

/**
 * What a training does, null before the first word.
 *
 * A browser opens six connections to a server, and a stream keeps one: of all tabs of a network that are in sight one listens
 * and tells the others, and no more than STREAMS runs are listened to at a time, the others looked at in turns.
 */
export function usePulse(of: Which): Told {
  const [told, set] = useState<Told>({ pulse: null, problem: null });
  const hear: Tell = (told) => {
    heard(told.problem !== LOST); // also where another tab listens
    set(told);
  };
  useEffect(() => follow(address("run/events", of), hear), [of.run, of.network]);
  return told;
}

const STREAMS = 3;
/** Milliseconds between two looks at a run that there is no stream for, and after which a stream that was refused is asked for again. */
const TURN = 2000;
/** What a tab says that came into sight: tell me the latest. */
const ASKED = "asked";

/** Hear of a network by the address of its events. */
function follow(place: string, tell: Tell): () => void {
  const others = new BroadcastChannel(`pondera ${place}`);
  let latest: Told | null = null;
  let control = new AbortController();
  others.onmessage = ({ data }: MessageEvent<Told | typeof ASKED>) => {
    if (data !== ASKED) tell(data);
    else if (latest) others.postMessage(latest);
  };
  const hear: Tell = (told) => {
    latest = told;
    tell(told);
    others.postMessage(told);
  };
  const turned = () => {
    control.abort();
    latest = null;
    if (document.hidden) return;
    control = new AbortController();
    others.postMessage(ASKED);
    void listen(place, hear, control.signal);
  };
  document.addEventListener("visibilitychange", turned);
  turned();
  return () => {
    document.removeEventListener("visibilitychange", turned);
    control.abort();
    others.close();
  };
}

/** Listen, once no other tab does. */
async function listen(place: string, hear: Tell, signal: AbortSignal): Promise<void> {
  const work = async () => {
    while (!signal.aborted) {
      const kept = await inSlot(() => stream(place, hear, signal));
      const brief = new AbortController();
      if (!kept)
        await stream(place, (told) => {
          hear(told);
          brief.abort();
        }, AbortSignal.any([signal, brief.signal]));
      if (!signal.aborted) await new Promise((done) => setTimeout(done, TURN));
    }
  };
  await navigator.locks.request(`pondera ${place}`, { signal }, work).catch(() => undefined); // another tab kept it until this one went
}

/** Do something in one of the slots that all tabs share; false where none is free. */
async function inSlot(work: () => Promise<void>): Promise<boolean> {
  for (let slot = 0; slot < STREAMS; slot++) {
    const done = await navigator.locks.request(`pondera stream ${slot}`, { ifAvailable: true }, async (lock) => {
      if (lock) await work();
      return lock !== null;
    });
    if (done) return true;
  }
  return false;
}

/** Hear what the server says until the signal comes, or it refuses: that ends a stream for good, however it is meant. */
function stream(place: string, hear: Tell, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    let pulse: Pulse | null = null;
    const source = new EventSource(place);
    source.onmessage = (event: MessageEvent<string>) => {
      pulse = JSON.parse(event.data) as Pulse;
      hear({ pulse, problem: null });
    };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return hear({ pulse, problem: LOST });
      void whyNot(place, signal).then((problem) => {
        if (problem && !signal.aborted) hear({ pulse, problem });
        done();
      });
    };
    signal.addEventListener("abort", () => {
      source.close();
      done();
    });
  });
}
