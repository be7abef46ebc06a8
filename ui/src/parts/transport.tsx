/** The slider over recorded steps, with a button that plays them. */
export function Transport(props: {
  place: number;
  count: number;
  playing: boolean;
  /** While training goes on: whether the latest step is shown. */
  now: boolean | null;
  id: string;
  onPlay: () => void;
  onMove: (place: number) => void;
  onTouch: () => void;
  onNow: () => void;
}) {
  const { count, now } = props;
  return (
    <div class="transport">
      <button type="button" onClick={props.onPlay} aria-label={props.playing ? "Stop the replay" : "Replay"} disabled={count < 2 && now === null}>
        {props.playing ? "❚❚" : "▶"}
      </button>
      <input type="range" aria-label="Recorded step" data-testid={props.id} min={0} max={Math.max(count - 1, 0)} step={1} value={Math.max(props.place, 0)} onPointerDown={props.onTouch} onInput={(event) => props.onMove(Number(event.currentTarget.value))} />
      {now === null ? (
        <span class="quiet small">{count.toLocaleString("en")} recorded</span>
      ) : (
        <button type="button" class="plain" disabled={now} onClick={props.onNow}>
          now
        </button>
      )}
    </div>
  );
}
