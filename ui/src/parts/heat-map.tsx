import { useEffect, useRef, useState } from "preact/hooks";
import { bytes, type Query, sentence } from "../api";
import { figure } from "../format";
import { token, useThemeChanges } from "../theme";
import { rgb } from "./surface";

const TILE = 256;
const KEPT = 400;

interface Place {
  /** The row and column at the upper left, and how many pixels a value is wide. */
  top: number;
  left: number;
  zoom: number;
}

interface Tile {
  canvas: OffscreenCanvas;
  values: Float32Array;
  across: number;
  down: number;
}

/**
 * A matrix as colours, however large: tiles come from the server in the resolution that is looked at, each cell with the
 * value of the largest size in it, so that nothing large is lost from afar. Dragging moves it, the wheel and the keys
 * + and − zoom, arrows move.
 *
 * `path` and `query` are where its tiles come from. The query may change, as with the step of a training: what was seen
 * stays until the new tiles are there. Another matrix is another `key`.
 */
export function HeatMap(props: { path: string; query: Query; name: string; rows: number; columns: number; most: number }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const place = useRef<Place>({ top: 0, left: 0, zoom: 1 });
  const tiles = useRef(new Map<string, Tile | "coming">());
  /** By place: the last tile that was there, of whatever query. */
  const seen = useRef(new Map<string, Tile>());
  const version = JSON.stringify(props.query);
  const source = useRef({ ...props, version, control: new AbortController() });
  const frame = useRef(0);
  const drag = useRef<{ x: number; y: number } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [under, setUnder] = useState("");
  const themes = useThemeChanges();
  const tall = Math.min(Math.max(props.rows * 8, 90), 460);

  const wake = () => {
    if (!frame.current) frame.current = requestAnimationFrame(draw);
  };

  const keyOf = (where: string) => `${source.current.version} ${where}`;
  const at = (where: string) => tiles.current.get(keyOf(where));

  const level = () => Math.max(0, Math.floor(Math.log2(Math.max(1 / place.current.zoom, 1))));

  const ask = (key: string, where: string, size: number, row: number, column: number) => {
    const { path, query, most, control } = source.current;
    tiles.current.set(key, "coming");
    const [top, left] = [row * TILE * size, column * TILE * size];
    const [bottom, right] = [Math.min(top + TILE * size, props.rows), Math.min(left + TILE * size, props.columns)];
    const [down, across] = [Math.ceil((bottom - top) / size), Math.ceil((right - left) / size)];
    bytes(path, { ...query, top, bottom, left, right, down, across }, control.signal).then(
      (data) => {
        const values = new Float32Array(data);
        const tile = { values, across, down, canvas: coloured(values, across, down, most) };
        tiles.current.set(key, tile);
        seen.current.set(where, tile);
        for (const known of [tiles.current, seen.current])
          for (const old of known.keys()) {
            if (known.size <= KEPT) break;
            known.delete(old);
          }
        wake();
      },
      (error: unknown) => {
        tiles.current.delete(key);
        if (control.signal.aborted) wake();  // it may be wanted again by now
        else setProblem(sentence(error));
      },
    );
  };

  const draw = () => {
    frame.current = 0;
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const { top, left, zoom } = place.current;
    context.imageSmoothingEnabled = false;
    context.fillStyle = token("sunk");
    context.fillRect(0, 0, element.width, element.height);
    const ratio = element.width / Math.max(element.clientWidth, 1);
    const size = 2 ** level();
    const span = TILE * size;
    const [last, right] = [Math.min(top + element.clientHeight / zoom, props.rows), Math.min(left + element.clientWidth / zoom, props.columns)];
    for (let row = Math.max(0, Math.floor(top / span)); row * span < last; row++)
      for (let column = Math.max(0, Math.floor(left / span)); column * span < right; column++) {
        const where = `${size},${row},${column}`;
        const found = at(where);
        if (found === undefined) ask(keyOf(where), where, size, row, column);
        const tile = typeof found === "object" ? found : seen.current.get(where);
        const high = Math.min(span, props.rows - row * span);
        const wide = Math.min(span, props.columns - column * span);
        const on: Box = [(column * span - left) * zoom * ratio, (row * span - top) * zoom * ratio, wide * zoom * ratio, high * zoom * ratio];
        if (tile) {
          seen.current.set(where, tile);
          context.drawImage(tile.canvas, ...on);
        } else coarser(context, seen.current, size, row, column, wide / size, high / size, on);
      }
  };

  const whole = () => {
    const element = box.current;
    if (!element) return;
    const zoom = Math.min(element.clientWidth / props.columns, element.clientHeight / props.rows);
    place.current = { zoom, left: (props.columns - element.clientWidth / zoom) / 2, top: (props.rows - element.clientHeight / zoom) / 2 };
    wake();
  };

  const zoomAt = (x: number, y: number, factor: number) => {
    const element = box.current;
    if (!element) return;
    const now = place.current;
    const least = Math.min(element.clientWidth / props.columns, element.clientHeight / props.rows) / 1.2;
    const zoom = Math.min(Math.max(now.zoom * factor, least), 40);
    place.current = { zoom, left: now.left + x / now.zoom - x / zoom, top: now.top + y / now.zoom - y / zoom };
    wake();
  };

  const pan = (dx: number, dy: number) => {
    const now = place.current;
    place.current = { ...now, left: clamp(now.left - dx / now.zoom, -props.columns, props.columns), top: clamp(now.top - dy / now.zoom, -props.rows, props.rows) };
    wake();
  };

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const sized = new ResizeObserver(() => {
      if (!canvas.current) return;
      const ratio = Math.min(devicePixelRatio, 2);
      canvas.current.width = element.clientWidth * ratio;
      canvas.current.height = element.clientHeight * ratio;
      whole();
    });
    sized.observe(element);
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const rect = element.getBoundingClientRect();
      zoomAt(event.clientX - rect.left, event.clientY - rect.top, Math.exp(-event.deltaY / 300));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      sized.disconnect();
      element.removeEventListener("wheel", wheel);
      source.current.control.abort();
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, []);
  useEffect(() => {
    source.current.control.abort();  // what was asked for and did not come is not wanted any more
    source.current = { ...props, version, control: new AbortController() };
    setProblem(null);
    wake();
  }, [version]);
  useEffect(() => {
    source.current.most = props.most;
    for (const tile of [...tiles.current.values(), ...seen.current.values()]) if (tile !== "coming") tile.canvas = coloured(tile.values, tile.across, tile.down, props.most);
    wake();
  }, [themes, props.most]);

  const look = (event: PointerEvent) => {
    const rect = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const { top, left, zoom } = place.current;
    const [row, column] = [Math.floor(top + (event.clientY - rect.top) / zoom), Math.floor(left + (event.clientX - rect.left) / zoom)];
    if (row < 0 || column < 0 || row >= props.rows || column >= props.columns) return setUnder("");
    const size = 2 ** level();
    const tile = at(`${size},${Math.floor(row / (TILE * size))},${Math.floor(column / (TILE * size))}`);
    if (!tile || tile === "coming") return setUnder("");
    const cell = Math.floor((row % (TILE * size)) / size) * tile.across + Math.floor((column % (TILE * size)) / size);
    setUnder(`[${row}, ${column}]${size > 1 ? `, the largest of ${size} × ${size}` : ""}: ${figure(tile.values[cell], 5)}`);
  };
  const keys = (event: KeyboardEvent) => {
    const element = box.current;
    if (!element) return;
    const move: Record<string, () => void> = {
      ArrowLeft: () => pan(60, 0),
      ArrowRight: () => pan(-60, 0),
      ArrowUp: () => pan(0, 60),
      ArrowDown: () => pan(0, -60),
      "+": () => zoomAt(element.clientWidth / 2, element.clientHeight / 2, 1.4),
      "=": () => zoomAt(element.clientWidth / 2, element.clientHeight / 2, 1.4),
      "-": () => zoomAt(element.clientWidth / 2, element.clientHeight / 2, 1 / 1.4),
      "0": whole,
    };
    const act = move[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  return (
    <div>
      <div
        class="canvas-box"
        ref={box}
        style={{ height: `${tall}px`, cursor: "grab" }}
        tabIndex={0}
        role="application"
        data-testid="heat-map"
        aria-label={`${props.name} as colours. Arrow keys move, plus and minus zoom, 0 shows all of it.`}
        onPointerDown={(event) => {
          drag.current = { x: event.clientX, y: event.clientY };
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          if (drag.current) {
            pan(event.clientX - drag.current.x, event.clientY - drag.current.y);
            drag.current = { x: event.clientX, y: event.clientY };
          } else look(event);
        }}
        onPointerUp={() => (drag.current = null)}
        onKeyDown={keys}
      >
        <canvas ref={canvas} aria-label={`${props.name} as colours`} />
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
        <span class="quiet small" aria-live="off">
          {under || "Drag to move, scroll to zoom."}
        </span>
        <button type="button" class="plain" onClick={whole}>
          all of it
        </button>
      </div>
      {problem && <p class="grave small">{problem}</p>}
    </div>
  );
}

type Box = [x: number, y: number, width: number, height: number];

/** While a tile is on its way, draw what is known of its place from farther off. */
function coarser(context: CanvasRenderingContext2D, seen: Map<string, Tile>, size: number, row: number, column: number, wide: number, high: number, on: Box): void {
  for (let by = 2; by <= TILE; by *= 2) {
    const tile = seen.get(`${size * by},${Math.floor(row / by)},${Math.floor(column / by)}`);
    if (!tile) continue;
    context.drawImage(tile.canvas, ((column % by) * TILE) / by, ((row % by) * TILE) / by, wide / by, high / by, ...on);
    return;
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Values as pixels: their signs as colours, the square root of their sizes as strength, so that small ones are seen. */
function coloured(values: Float32Array, across: number, down: number, most: number): OffscreenCanvas {
  const canvas = new OffscreenCanvas(across, down);
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(across, down);
  const pixels = new Uint32Array(image.data.buffer);
  const [positive, negative] = [shades(token("positive")), shades(token("negative"))];
  const broken = shades(token("fifth"))[SHADES - 1] as number;
  const scale = 1 / (most || 1);
  for (let k = 0; k < values.length; k++) {
    const value = values[k] as number;
    const strength = Math.min(Math.sqrt(Math.abs(value) * scale), 1);
    pixels[k] = Number.isFinite(value) ? ((value < 0 ? negative : positive)[Math.round(strength * (SHADES - 1))] as number) : broken;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

const SHADES = 256;

/** From the colour of the card to another, as pixels: red lies in the first byte. */
function shades(colour: string): Uint32Array {
  const [from, to] = [rgb(token("card")), rgb(colour)];
  return Uint32Array.from({ length: SHADES }, (_, k) => {
    const [red, green, blue] = from.map((part, at) => Math.round(part + ((to[at] as number) - part) * (k / (SHADES - 1)))) as [number, number, number];
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}
