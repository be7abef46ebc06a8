import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { figure } from "../format";
import type { Matrix } from "../network";
import { token, useThemeChanges } from "../theme";
import { type Connection, nameOf, placeOf } from "./connections";
import { type Column, nameOfUnit, type Unit, unitBeside, unitNear } from "./units";

interface Line {
  matrix: Matrix;
  /** Where it is among the values that are drawn. */
  at: number;
  input: number;
  output: number;
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** What is written beside the units of the first column and of the last. */
interface Names {
  inputs: string[] | null;
  outputs: string[] | null;
}

interface Scene {
  lines: Line[];
  columns: Column[];
  size: { width: number; height: number };
  /** Where the connection that is chosen is among the values that are drawn; −1 where none of them is it. */
  chosen: number;
  near: Line | null;
  units: (Unit | null)[];
  named: Names;
}

const BUCKETS = 10;
const EASE = 0.18;
/** Weights glide where there are no more connections: each frame of it draws all of them anew. */
const GLIDING = 300;
const PAD = 26;
/** Names of inputs are written beside their units where there are no more. */
const NAMED = 24;

/**
 * A network: units in columns, connections between them, as thick as they are strong and coloured by their sign. Of small
 * networks weights glide to where they are told to be; of others they jump. Connections are drawn where they have
 * changed and kept as a picture, so that what is pointed at costs nothing, as does a network that stands still.
 */
export function NetworkPicture(props: {
  matrices: Matrix[];
  values: Float32Array | null;
  chosen: Connection | null;
  onChoose: (chosen: Connection) => void;
  unit?: Unit | null;
  onUnit?: (unit: Unit) => void;
  inputs: string[] | null;
  outputs?: string[] | null;
  height?: number;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 800, height: props.height ?? 380 });
  const [near, setNear] = useState<Line | null>(null);
  const [over, setOver] = useState<Unit | null>(null);
  const [said, say] = useState("");
  const themes = useThemeChanges();
  const named = useMemo(() => ({ inputs: fewNames(props.inputs, props.matrices[0]?.shape[0]), outputs: fewNames(props.outputs, props.matrices.at(-1)?.shape[1]) }), [props.inputs, props.outputs, props.matrices]);
  const columns = useMemo(() => columnsOf(props.matrices, size, roomFor(named.inputs, size), roomFor(named.outputs, size)), [props.matrices, size, named]);
  const lines = useMemo(() => linesOf(props.matrices, columns), [props.matrices, columns]);
  const shown = useRef<Float32Array>(new Float32Array());
  const wanted = useRef<Float32Array | null>(null);
  const units = [over, props.unit ?? null];
  const chosen = useMemo(() => (props.chosen ? placeOf(props.matrices, props.chosen) : -1), [props.matrices, props.chosen]);
  const scene = useRef<Scene>({ lines, columns, size, chosen, near, units, named });
  scene.current = { lines, columns, size, chosen, near, units, named };
  const drawing = useRef(0);
  const kept = useRef<HTMLCanvasElement | null>(null);
  const stale = useRef(true);

  const move = () => {
    drawing.current = 0;
    if (!canvas.current) return;
    const moving = glide(shown.current, wanted.current);
    if (moving || stale.current) kept.current = connections(scene.current, shown.current, kept.current);
    stale.current = false;
    if (kept.current) show(canvas.current, kept.current, scene.current);
    if (moving) drawing.current = requestAnimationFrame(move);
  };
  const wake = () => {
    if (!drawing.current) drawing.current = requestAnimationFrame(move);
  };

  useEffect(() => {
    wanted.current = props.values;
    const values = props.values;
    if (values && (values.length > GLIDING || shown.current.length !== values.length)) shown.current = values.slice();
    stale.current = true;
    wake();
  }, [props.values, lines, themes]);
  useEffect(wake, [chosen, near, props.unit, over]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watched = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }));
    watched.observe(element);
    return () => {
      watched.disconnect();
      cancelAnimationFrame(drawing.current);
      drawing.current = 0;
    };
  }, []);

  const find = (event: PointerEvent | MouseEvent): { unit: Unit | null; line: Line | null } => {
    const rect = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x, y] = [event.clientX - rect.left, event.clientY - rect.top];
    const unit = props.onUnit ? unitNear(columns, x, y) : null;
    return { unit, line: unit ? null : nearest(lines, shown.current, x, y) };
  };
  const keys = (event: KeyboardEvent) => {
    if (event.shiftKey && props.onUnit && event.key.startsWith("Arrow")) {
      event.preventDefault();
      const next = unitBeside(columns, props.unit ?? null, event.key);
      if (!next) return;
      props.onUnit(next);
      say(labelOf(next));
      return;
    }
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || lines.length === 0) return;
    event.preventDefault();
    const at = lines.findIndex((line) => line.at === chosen);
    const next = lines[at < 0 ? 0 : (at + step + lines.length) % lines.length];
    if (!next) return;
    props.onChoose(connectionOn(next));
    say(`${nameOf(connectionOn(next))} is ${figure(shown.current[next.at])}`);
  };
  const labelOf = ({ column, unit }: Unit) => (column === 0 && named.inputs?.[unit]) || (column === columns.length - 1 && named.outputs?.[unit]) || nameOfUnit(props.matrices, { column, unit });
  const tip = over && { left: columns[over.column]?.x ?? 0, top: (columns[over.column]?.y(over.unit) ?? 0) - 34, text: labelOf(over) };
  const label = near && `${nameOf(connectionOn(near))} = ${figure(shown.current[near.at])}`;
  return (
    <div>
      <div
        class="canvas-box"
        ref={box}
        style={{ height: `${props.height ?? 380}px`, cursor: near || over ? "pointer" : "default" }}
        tabIndex={0}
        role="application"
        aria-label={`The network. Arrow keys go from connection to connection${props.onUnit ? ", with Shift from unit to unit" : ""}.`}
        data-testid="network"
        onPointerMove={(event) => {
          const found = find(event);
          setNear(found.line);
          setOver((before) => (before?.column === found.unit?.column && before?.unit === found.unit?.unit ? before : found.unit));
        }}
        onPointerLeave={() => {
          setNear(null);
          setOver(null);
        }}
        onClick={(event) => {
          const found = find(event);
          if (found.unit) props.onUnit?.(found.unit);
          else if (found.line) props.onChoose(connectionOn(found.line));
        }}
        onKeyDown={keys}
      >
        <canvas ref={canvas} aria-label="The network as it is drawn" />
        {near && label && (
          <span class="tip" style={{ left: `${Math.min(Math.max((near.x0 + near.x1) / 2 - 60, 4), size.width - 190)}px`, top: `${(near.y0 + near.y1) / 2 - 30}px` }}>
            {label}
          </span>
        )}
        {tip && (
          <span class="tip" style={{ left: `${Math.min(Math.max(tip.left - 30, 4), size.width - 130)}px`, top: `${Math.max(tip.top, 2)}px` }}>
            {tip.text}
          </span>
        )}
      </div>
      <p class="hidden" role="status" data-testid="chosen-by-keys" data-live>
        {said}
      </p>
      <div class="legend" style={{ marginTop: "0.6rem" }}>
        <span>
          <i style={{ background: "var(--positive)" }} />
          positive
        </span>
        <span>
          <i style={{ background: "var(--negative)" }} />
          negative
        </span>
        <span>as thick as strong{props.matrices.some((each) => each.places.length < each.shape[0] * each.shape[1]) ? "; of each layer the strongest connections" : ""}</span>
      </div>
    </div>
  );
}

/** The names, where there is one of each unit, and room for them. */
function fewNames(names: string[] | null | undefined, units: number | undefined): string[] | null {
  return names && names.length <= NAMED && names.length === units ? names : null;
}

/** Of the width, what names on one side take at most. */
const SIDE = 0.29;

/** How far from the border units stand that names are written beside. */
function roomFor(names: string[] | null, { width }: Scene["size"]): number {
  return names ? Math.min(24 + 7 * Math.max(...names.map((name) => name.length)), 160, SIDE * width) : PAD;
}

/** Columns of units: of each matrix its inputs, and after the last its outputs. */
function columnsOf(matrices: Matrix[], size: Scene["size"], left: number, right: number): Column[] {
  const last = matrices.at(-1);
  if (!last) return [];
  const counts = [...matrices.map((each) => each.shape[0]), last.shape[1]];
  return counts.map((units, at) => {
    const room = size.height - 2 * PAD;
    const gap = Math.min(room / Math.max(units, 1), 44);
    const top = PAD + (room - gap * units) / 2;
    return { x: left + (at * (size.width - left - right)) / Math.max(counts.length - 1, 1), units, y: (unit) => top + gap * (unit + 0.5) };
  });
}

function connectionOn({ matrix, input, output }: Line): Connection {
  return { tensor: matrix.name, input, output };
}

function linesOf(matrices: Matrix[], columns: Column[]): Line[] {
  let at = 0;
  return matrices.flatMap((matrix, k) => {
    const [from, to] = [columns[k], columns[k + 1]];
    return matrix.places.flatMap((place) => {
      const index = at++;
      if (!from || !to) return [];
      const input = Math.floor(place / matrix.shape[1]);
      const output = place % matrix.shape[1];
      return [{ matrix, at: index, input, output, x0: from.x, y0: from.y(input), x1: to.x, y1: to.y(Math.min(output, to.units - 1)) }];
    });
  });
}

/** Move values nearer to where they are wanted, and return whether any is still on its way. */
function glide(now: Float32Array, to: Float32Array | null): boolean {
  if (!to || now.length !== to.length) return false;
  let moving = false;
  for (let k = 0; k < to.length; k++) {
    const gap = (to[k] as number) - (now[k] as number);
    if (Math.abs(gap) > 1e-4 * (1 + Math.abs(to[k] as number))) {
      now[k] = (now[k] as number) + EASE * gap;
      moving = true;
    } else now[k] = to[k] as number;
  }
  return moving;
}

function sized(canvas: HTMLCanvasElement, size: Scene["size"]): CanvasRenderingContext2D | null {
  const ratio = Math.min(devicePixelRatio, 2);
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, size.width, size.height);
  return context;
}

/** Draw units and connections into a picture that is kept. */
function connections(scene: Scene, values: Float32Array, before: HTMLCanvasElement | null): HTMLCanvasElement {
  const canvas = before ?? document.createElement("canvas");
  const { lines, columns, named } = scene;
  const context = sized(canvas, scene.size);
  if (!context) return canvas;
  const colours = [token("positive"), token("negative"), token("ink"), token("card")];
  // Each layer has a scale of its own: what is strong in it is seen, whatever the others are.
  const most = new Map<Matrix, number>();
  for (const line of lines) most.set(line.matrix, Math.max(most.get(line.matrix) ?? 0, Math.abs(values[line.at] ?? 0)));
  const buckets: Path2D[] = Array.from({ length: 2 * BUCKETS }, () => new Path2D());
  const used = new Set<number>();
  for (const line of lines) {
    const value = values[line.at] ?? 0;
    const part = Math.min(Math.abs(value) / (most.get(line.matrix) || 1), 1);
    const bucket = Math.min(Math.floor(part * BUCKETS), BUCKETS - 1) + (value < 0 ? BUCKETS : 0);
    const path = buckets[bucket] as Path2D;
    path.moveTo(line.x0, line.y0);
    path.lineTo(line.x1, line.y1);
    used.add(bucket);
  }
  const crowd = lines.length > 600 ? 0.6 : 1;
  for (const bucket of [...used].sort((a, b) => (a % BUCKETS) - (b % BUCKETS))) {
    const part = ((bucket % BUCKETS) + 0.5) / BUCKETS;
    context.strokeStyle = colours[bucket < BUCKETS ? 0 : 1] ?? "";
    context.globalAlpha = (0.12 + 0.75 * part) * (part < 0.5 ? crowd : 1);
    context.lineWidth = (0.4 + 4.6 * part * part) * crowd;
    context.stroke(buckets[bucket] as Path2D);
  }
  context.globalAlpha = 1;
  for (const column of columns) {
    const radius = column.units > 60 ? 1.6 : column.units > 24 ? 3 : 6;
    context.fillStyle = colours[2] ?? "";
    context.strokeStyle = colours[3] ?? "";
    context.lineWidth = 1.5;
    for (let unit = 0; unit < column.units && unit < 1200; unit++) {
      context.beginPath();
      context.arc(column.x, column.y(unit), radius, 0, 7);
      context.fill();
      if (radius > 2) context.stroke();
    }
  }
  const [first, last] = [columns[0], columns.at(-1)];
  context.fillStyle = token("quiet");
  context.textBaseline = "middle";
  const write = (names: string[] | null, column: Column | undefined, side: -1 | 1) => {
    if (!names || !column) return;
    context.font = `${column.units > 16 ? 10 : 12}px ${token("sans")}`;
    context.textAlign = side < 0 ? "right" : "left";
    const room = (side < 0 ? column.x : scene.size.width - column.x) - 14;
    names.forEach((name, unit) => context.fillText(fitted(context, name, room), column.x + 11 * side, column.y(unit)));
  };
  write(named.inputs, first, -1);
  write(named.outputs, last, 1);
  return canvas;
}

/** Show the picture that is kept, with what is chosen and what is pointed at. */
function show(canvas: HTMLCanvasElement, kept: HTMLCanvasElement, { lines, columns, chosen, near, units, size }: Scene): void {
  const context = sized(canvas, size);
  if (!context || !kept.width || !kept.height) return;
  context.drawImage(kept, 0, 0, size.width, size.height);
  context.strokeStyle = token("ink");
  context.lineWidth = 2.5;
  for (const line of [near, lines.find((each) => each.at === chosen)]) {
    if (!line) continue;
    context.setLineDash(line === near ? [4, 3] : []);
    context.beginPath();
    context.moveTo(line.x0, line.y0);
    context.lineTo(line.x1, line.y1);
    context.stroke();
  }
  context.setLineDash([]);
  for (const each of units) {
    const column = each && columns[each.column];
    if (!column || each.unit >= column.units) continue;
    context.strokeStyle = token("accent");
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(column.x, column.y(each.unit), column.units > 24 ? 6 : 9.5, 0, 7);
    context.stroke();
  }
}

/** A name in the room that there is: of a long one more of its end, which tells inputs of one column apart. */
function fitted(context: CanvasRenderingContext2D, name: string, room: number): string {
  let text = name;
  for (let left = name.length - 2; left > 0 && context.measureText(text).width > room; left--) {
    const begin = Math.floor(left / 3);
    text = `${name.slice(0, begin)}…${name.slice(begin - left)}`;
  }
  return text;
}

/** The connection nearest to a place, where one is near; of those as near, the strongest. */
function nearest(lines: readonly Line[], values: Float32Array, x: number, y: number): Line | null {
  let best: Line | null = null;
  let least = 7;
  for (const line of lines) {
    if (x < line.x0 - 4 || x > line.x1 + 4) continue;
    const along = (x - line.x0) / (line.x1 - line.x0 || 1);
    const dy = line.y1 - line.y0;
    const away = Math.abs(y - (line.y0 + along * dy)) * Math.cos(Math.atan2(dy, line.x1 - line.x0));
    const distance = away - 2 * Math.min(Math.abs(values[line.at] ?? 0), 1);
    if (away < 7 && distance < least) {
      least = distance;
      best = line;
    }
  }
  return best;
}
