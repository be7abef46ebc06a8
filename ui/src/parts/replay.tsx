import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Milliseconds that a whole life takes, and between two of its steps at least. */
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
    const timer = setInterval(() => {
      setAt((now) => {
        const next = (now ?? -1) + 1;
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

/** A button that plays, and a slider over the recorded steps. `onTouch` is told before anything moves. */
export function Transport(props: { replay: Replay; count: number; disabled?: boolean; onTouch?: () => void; children?: ComponentChildren }) {
  const { replay, count } = props;
  return (
    <div class="transport">
      <button
        type="button"
        onClick={() => {
          props.onTouch?.();
          replay.play();
        }}
        aria-label={replay.playing ? "Stop the replay" : "Replay"}
        disabled={props.disabled ?? count < 2}
      >
        {replay.playing ? "❚❚" : "▶"}
      </button>
      <input
        type="range"
        aria-label="Recorded step"
        data-testid="replay"
        min={0}
        max={Math.max(count - 1, 0)}
        step={1}
        value={Math.max(replay.place, 0)}
        onPointerDown={() => props.onTouch?.()}
        onInput={(event) => {
          props.onTouch?.();
          replay.show(Number(event.currentTarget.value));
        }}
      />
      {props.children ?? <span class="quiet small">{count} recorded</span>}
    </div>
  );
}
