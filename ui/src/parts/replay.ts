import { useEffect, useState } from "preact/hooks";

/** Milliseconds that a whole life takes, and between two of its steps at least: of many steps some are passed over. */
const WHOLE = 5000;
const LEAST = 60;

export interface Replay {
  /** Which of the recorded steps is asked for; null for the last there is. */
  at: number | null;
  /** Which one is shown. */
  place: number;
  playing: boolean;
  show: (at: number | null) => void;
  play: () => void;
}

/** Goes through recorded steps, by hand or by itself. */
export function useReplay(count: number, first: number | null = null): Replay {
  const [at, setAt] = useState<number | null>(first);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return;
    const stride = Math.max(Math.ceil((count * LEAST) / WHOLE), 1);
    const timer = setInterval(() => {
      setAt((now) => {
        const next = (now ?? -stride) + stride;
        if (next >= count - 1) setPlaying(false);
        return Math.min(next, count - 1);
      });
    }, Math.max(LEAST, WHOLE / Math.max(count, 1)));
    return () => clearInterval(timer);
  }, [playing, count]);
  return {
    at,
    place: at === null ? count - 1 : Math.min(at, count - 1),
    playing,
    show: (next) => {
      setPlaying(false);
      setAt(next);
    },
    play: () => {
      if (!playing && (at === null || at >= count - 1)) setAt(0);
      setPlaying(!playing);
    },
  };
}
