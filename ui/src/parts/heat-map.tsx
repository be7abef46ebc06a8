import { useEffect, useRef, useState } from "preact/hooks";
import { bytes, type Query, sentence } from "../api";
import { figure } from "../format";
import { token, useThemeChanges } from "../theme";
import { type Place, planeIn, scaleOf, type Source, Tiles, zoomed } from "./tiles";

/** Milliseconds that the pointer rests before the value under it is asked for. */
const RESTED = 120;
const NEARER = 1.4;
/** How wide what keys lead to is at least, in pixels. */
const SEEN = 4;
const HINT = matchMedia("(pointer: coarse)").matches ? "Tap it, then drag to move." : "Drag to move. Click it, then scroll to zoom.";

/**
 * A matrix as colours, however large: tiles come from the server in the resolution that is looked at, each cell with the
 * value of the largest size in it, so that nothing large is lost from afar. Dragging moves it; buttons, the keys + and −
 * and the wheel zoom; arrows move. The wheel, and a finger, are the page's until the picture is chosen.
 *
 * `path` and `query` are where its tiles come from. The query may change, as with the step of a training: what was seen
 * stays until the new tiles are there. Another matrix is another `key`.
 */
export function HeatMap(props: { path: string; query: Query; name: string; rows: number; columns: number; most: number }) {
  const { rows, columns } = props;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const place = useRef<Place>({ top: 0, left: 0, zoom: 1 });
  const frame = useRef(0);
  const drag = useRef<{ x: number; y: number } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [under, setUnder] = useState<[row: number, column: number] | null>(null);
  const [cursor, setCursor] = useState<DOMRectReadOnly | null>(null); // where keys have led, in pixels
  const themes = useThemeChanges();
  const version = JSON.stringify(props.query);
  const source: Source = { version, most: props.most, load: (piece, signal) => bytes(props.path, { ...props.query, ...piece }, signal) };
  const held = useRef<Tiles | null>(null);

  const draw = () => {
    frame.current = 0;
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    context.fillStyle = token("sunk");
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    held.current?.draw(context, place.current, ratioOf(context.canvas));
  };
  const wake = () => {
    if (!frame.current) frame.current = requestAnimationFrame(draw);
  };
  held.current ??= new Tiles(planeIn(1, 1, rows, columns), source, wake, (error) => setProblem(sentence(error)));
  const tiles = held.current;
  const show = (next: Place) => {
    place.current = next;
    setUnder(null);
    setCursor(null);
    wake();
  };
  const scales = (zoom: number) => ({ high: scaleOf(tiles.plane, tiles.plane.down, zoom), wide: scaleOf(tiles.plane, tiles.plane.across, zoom) });

  const whole = () => {
    const element = box.current;
    if (!element) return;
    const zoom = tiles.plane.whole;
    const { high, wide } = scales(zoom);
    show({ zoom, left: (columns - element.clientWidth / wide) / 2, top: (rows - element.clientHeight / high) / 2 });
  };
  /** Zoom; the value at a place of the box stays there, that in its middle where no place is given. */
  const zoom = (factor: number, at?: { x: number; y: number }) => {
    const element = box.current;
    if (!element) return;
    const { x, y } = at ?? { x: element.clientWidth / 2, y: element.clientHeight / 2 };
    const now = place.current;
    const next = zoomed(tiles.plane, now.zoom * factor);
    const [before, after] = [scales(now.zoom), scales(next)];
    show({ zoom: next, left: now.left + x / before.wide - x / after.wide, top: now.top + y / before.high - y / after.high });
  };
  const pan = (dx: number, dy: number) => {
    const now = place.current;
    const { high, wide } = scales(now.zoom);
    show({ ...now, left: clamp(now.left - dx / wide, -columns, columns), top: clamp(now.top - dy / high, -rows, rows) });
  };

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const sized = new ResizeObserver(() => {
      if (!canvas.current) return;
      const ratio = Math.min(devicePixelRatio, 2);
      canvas.current.width = Math.round(element.clientWidth * ratio);
      canvas.current.height = Math.round(element.clientHeight * ratio);
      tiles.plane = planeIn(element.clientWidth, element.clientHeight, rows, columns);
      whole();
    });
    sized.observe(element);
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && document.activeElement !== element) return; // it scrolls the page
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 300), within(element, event));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      sized.disconnect();
      element.removeEventListener("wheel", wheel);
      tiles.close();
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, []);
  useEffect(() => {
    tiles.turn(source);
    setProblem(null);
    wake();
  }, [version]);
  useEffect(() => {
    tiles.turn(source);
    tiles.colour();
    wake();
  }, [themes, props.most]);

  const look = (event: PointerEvent) => {
    const at = within(event.currentTarget as HTMLElement, event);
    const { high, wide } = scales(place.current.zoom);
    const [row, column] = [Math.floor(place.current.top + at.y / high), Math.floor(place.current.left + at.x / wide)];
    const inside = row >= 0 && column >= 0 && row < rows && column < columns;
    setCursor(null);
    setUnder((before) => (!inside ? null : before?.[0] === row && before[1] === column ? before : [row, column]));
  };
  /** Go from value to value, or where they are narrower than can be seen, so far that it is; what is looked at comes along. */
  const step = (down: number, across: number) => {
    const element = box.current;
    if (!element) return;
    const { high, wide } = scales(place.current.zoom);
    const far = (scale: number) => Math.max(Math.ceil(SEEN / scale), 1);
    const middle = [place.current.top + element.clientHeight / high / 2, place.current.left + element.clientWidth / wide / 2] as const;
    const [row, column] = cursor && under ? [under[0] + down * far(high), under[1] + across * far(wide)] : middle;
    const at: [number, number] = [clamp(Math.floor(row), 0, rows - 1), clamp(Math.floor(column), 0, columns - 1)];
    const out = (from: number, scale: number, room: number, to: number) => (to < from || (to + 1 - from) * scale > room ? to + 0.5 - room / scale / 2 : from);
    const { top, left, zoom } = place.current;
    const next = { zoom, top: out(top, high, element.clientHeight, at[0]), left: out(left, wide, element.clientWidth, at[1]) };
    show(next);
    setUnder(at);
    setCursor(new DOMRectReadOnly((at[1] - next.left) * wide, (at[0] - next.top) * high, Math.max(wide, SEEN), Math.max(high, SEEN)));
  };
  const keys = (event: KeyboardEvent) => {
    const led = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key] as [number, number] | undefined;
    if (event.shiftKey && led) {
      event.preventDefault();
      return step(...led);
    }
    const move: Record<string, () => void> = {
      ArrowLeft: () => pan(60, 0),
      ArrowRight: () => pan(-60, 0),
      ArrowUp: () => pan(0, 60),
      ArrowDown: () => pan(0, -60),
      "+": () => zoom(NEARER),
      "=": () => zoom(NEARER),
      "-": () => zoom(1 / NEARER),
      "0": whole,
    };
    const act = move[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  const cell = under && canvas.current && tiles.at(...under, place.current.zoom, ratioOf(canvas.current));
  return (
    <div>
      <div
        class="canvas-box heat-map"
        ref={box}
        style={{ height: `${Math.min(Math.max(rows * 8, 90), 460)}px` }}
        tabIndex={0}
        role="application"
        data-testid="heat-map"
        aria-label={`${props.name} as colours. Arrow keys move, with Shift they go from value to value, plus and minus zoom, 0 shows all of it.`}
        onPointerDown={(event) => {
          if (!event.isPrimary) return;
          drag.current = { x: event.clientX, y: event.clientY };
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          if (!drag.current) return look(event);
          if (!event.isPrimary) return;
          pan(event.clientX - drag.current.x, event.clientY - drag.current.y);
          drag.current = { x: event.clientX, y: event.clientY };
        }}
        onLostPointerCapture={() => (drag.current = null)}
        onPointerLeave={() => {
          setUnder(null);
          setCursor(null);
        }}
        onKeyDown={keys}
      >
        <canvas ref={canvas} aria-label={`${props.name} as colours`} />
        {cursor && <span class="cursor" data-live style={{ left: `${cursor.x}px`, top: `${cursor.y}px`, width: `${cursor.width}px`, height: `${cursor.height}px` }} />}
      </div>
      <div class="row spread" style={{ marginTop: "0.5rem" }}>
        <span class="legend">
          <span>
            <i style={{ background: "var(--negative)" }} />
            to −{figure(props.most, 3)}
          </span>
          <span>
            <i style={{ background: "var(--positive)" }} />
            to {figure(props.most, 3)}
          </span>
          <span>
            <i style={{ background: "var(--fifth)" }} />
            not finite
          </span>
        </span>
        <span class="row" style={{ gap: "0.2rem" }}>
          <button type="button" class="plain" onClick={() => zoom(1 / NEARER)} aria-label="Zoom out">
            −
          </button>
          <button type="button" class="plain" onClick={() => zoom(NEARER)} aria-label="Zoom in">
            +
          </button>
          <button type="button" class="plain" onClick={whole}>
            all of it
          </button>
        </span>
      </div>
      <p class="quiet small" aria-live={cursor ? "polite" : "off"} data-testid="under" data-live>
        {under ? <Under key={`${version} ${under.join()}`} source={source} at={under} cell={cell} /> : HINT}
      </p>
      {problem && <p class="grave small">{problem}</p>}
    </div>
  );
}

/** The value at a place; where cells hold more than one it is asked for, once the pointer rests. */
function Under({ source, at, cell }: { source: Source; at: [row: number, column: number]; cell: ReturnType<Tiles["at"]> }) {
  const [row, column] = at;
  const [value, set] = useState<number | null>(null);
  const single = cell !== null && cell.down * cell.across === 1;
  useEffect(() => {
    if (single) return;
    const control = new AbortController();
    const timer = setTimeout(() => {
      const piece = { top: row, bottom: row + 1, left: column, right: column + 1, down: 1, across: 1 };
      source.load(piece, control.signal).then(
        (data) => set(new Float32Array(data)[0] ?? null),
        () => undefined, // the tiles say what is wrong
      );
    }, RESTED);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, []);
  return (
    <>
      [{row.toLocaleString("en")}, {column.toLocaleString("en")}]: <b>{told(single ? cell.value : value)}</b>
      {cell && !single && `; of the ${cell.down} × ${cell.across} around it the largest: ${told(cell.value)}`}
    </>
  );
}

/** A value of float32, with all digits that it has. */
function told(value: number | null): string {
  return value === null ? "…" : Number.isNaN(value) ? "NaN" : figure(value, 8);
}

function ratioOf(canvas: HTMLCanvasElement): number {
  return canvas.width / Math.max(canvas.clientWidth, 1);
}

function within(element: HTMLElement, event: MouseEvent): { x: number; y: number } {
  const rect = element.getBoundingClientRect();
  return { x: event.clientX - rect.left, y: event.clientY - rect.top };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
