import { coloured } from "./colours";

/** Cells along a side of a tile; the last tile of a side takes what is left over too, so that no cell is a narrow one. */
const TILE = 256;
/** Tiles that are kept. */
const KEPT = 400;
/** Pixels of the screen that a value is wide, at most. */
const LARGEST = 40;

/** A side of a matrix, downwards or across. */
export interface Side {
  count: number;
  /** Values are drawn 2 to this power times as long along this side: a matrix of one row would be a hair. */
  stretch: number;
}

/** The whole matrix as it is looked at. */
export interface Plane {
  down: Side;
  across: Side;
  /** The zoom at which all of it is in sight. */
  whole: number;
}

/** What is in sight: the value at the upper left, and pixels of the screen a value where it is not stretched. */
export interface Place {
  top: number;
  left: number;
  zoom: number;
}

/** Some values along a side, and in how many cells. */
interface Stretch {
  from: number;
  to: number;
  cells: number;
}

interface Tile {
  down: Stretch;
  across: Stretch;
  values: Float32Array;
  canvas: OffscreenCanvas;
}

/** Where pieces of a matrix come from: one of another version is asked for anew, and the old is shown until it came. */
export interface Source {
  version: string;
  load: (piece: Piece, signal: AbortSignal) => Promise<ArrayBuffer>;
  /** The largest size of a value: it has the full colour. */
  most: number;
}

export interface Piece {
  top: number;
  bottom: number;
  left: number;
  right: number;
  down: number;
  across: number;
}

/** A plane that fits a box of so many pixels; what would be thinner than `least` of them is stretched. */
export function planeIn(width: number, height: number, rows: number, columns: number, least = 24): Plane {
  const whole = Math.min(width / columns, height / rows);
  const side = (count: number): Side => ({ count, stretch: Math.max(0, Math.ceil(Math.log2(least / (count * whole)))) });
  return { down: side(rows), across: side(columns), whole };
}

/** Pixels of the screen a value, along a side. */
export function scaleOf(plane: Plane, side: Side, zoom: number): number {
  return Math.min(zoom * 2 ** side.stretch, Math.max(LARGEST, plane.whole * 2 ** side.stretch));
}

/** A zoom that is not too near, nor farther off than all of it. */
export function zoomed(plane: Plane, zoom: number): number {
  return Math.min(Math.max(zoom, plane.whole), Math.max(LARGEST, plane.whole));
}

/** The values along each side of a cell are 2 to this power; fewer where the side is stretched. */
function levelOf(zoom: number, ratio: number): number {
  // No cell is narrower than a pixel: of two cells in one pixel only one would be drawn, and the other may be the extreme.
  return Math.max(0, Math.ceil(Math.log2(1 / (zoom * ratio))));
}

function sizeOf(side: Side, level: number): number {
  return 2 ** Math.max(0, level - side.stretch);
}

function many(side: Side, size: number): number {
  return Math.max(1, Math.floor(side.count / (TILE * size)));
}

function stretchAt(side: Side, size: number, k: number): Stretch {
  const from = k * TILE * size;
  const to = k === many(side, size) - 1 ? side.count : from + TILE * size;
  return { from, to, cells: Math.max(1, Math.floor((to - from) / size)) };
}

/** Which tile a value is in. */
function tileOf(side: Side, size: number, value: number): number {
  return Math.min(Math.max(Math.floor(value / (TILE * size)), 0), many(side, size) - 1);
}

/** Which cell of a stretch a value is in: cells begin at the whole parts of k · values / cells. */
function cellOf({ from, to, cells }: Stretch, value: number): number {
  return Math.floor(((value - from + 1) * cells - 1) / (to - from));
}

/** The tiles of a matrix: asked for as they come into sight, kept, and drawn. `changed` is called when one has come. */
export class Tiles {
  plane: Plane;
  private source: Source;
  private tiles = new Map<string, Tile | "coming">();
  /** By place: the last tile that was there, of whatever version. */
  private seen = new Map<string, Tile>();
  private control = new AbortController();

  constructor(
    plane: Plane,
    source: Source,
    private changed: () => void,
    private failed: (error: unknown) => void,
  ) {
    this.plane = plane;
    this.source = source;
  }

  /** Take tiles from elsewhere from now on, as of another step. */
  turn(source: Source): void {
    if (source.version !== this.source.version) {
      this.control.abort(); // what was asked for and did not come is not wanted any more
      this.control = new AbortController();
    }
    this.source = source;
  }

  /** Colour all tiles anew. */
  colour(): void {
    for (const tile of [...this.tiles.values(), ...this.seen.values()]) if (tile !== "coming") tile.canvas = this.coloured(tile);
  }

  close(): void {
    this.control.abort();
  }

  /** Draw what is in sight; `ratio` are the pixels of the canvas a pixel of the screen. */
  draw(context: CanvasRenderingContext2D, place: Place, ratio: number): void {
    const { plane } = this;
    const level = levelOf(place.zoom, ratio);
    const [high, wide] = [scaleOf(plane, plane.down, place.zoom) * ratio, scaleOf(plane, plane.across, place.zoom) * ratio];
    const rows = inSight(plane.down, sizeOf(plane.down, level), place.top, place.top + context.canvas.height / high);
    const columns = inSight(plane.across, sizeOf(plane.across, level), place.left, place.left + context.canvas.width / wide);
    context.imageSmoothingEnabled = false;
    for (const row of rows)
      for (const column of columns) {
        const [down, across] = [stretchAt(plane.down, sizeOf(plane.down, level), row), stretchAt(plane.across, sizeOf(plane.across, level), column)];
        const where = this.where(level, row, column);
        const tile = this.known(where) ?? this.asked(where, down, across) ?? this.seen.get(where) ?? this.coarser(level, down.from, across.from);
        if (!tile) continue;
        // Edges lie on whole pixels: tiles meet without a seam, and each cell has a pixel whose middle lies in it.
        const edges = (from: number, to: number, first: number, scale: number) => [Math.round((from - first) * scale), Math.round((to - first) * scale)] as const;
        const [y0, y1] = edges(down.from, down.to, place.top, high);
        const [x0, x1] = edges(across.from, across.to, place.left, wide);
        const part = (all: Stretch, some: Stretch) => [((some.from - all.from) * all.cells) / (all.to - all.from), ((some.to - some.from) * all.cells) / (all.to - all.from)] as const;
        const [sy, sh] = part(tile.down, down);
        const [sx, sw] = part(tile.across, across);
        context.drawImage(tile.canvas, sx, sy, sw, sh, x0, y0, x1 - x0, y1 - y0);
      }
  }

  /** What is known of a value: the one of the largest size in its cell, and how many values the cell has. */
  at(row: number, column: number, zoom: number, ratio: number): { value: number; down: number; across: number } | null {
    const { down, across } = this.plane;
    const level = levelOf(zoom, ratio);
    const tile = this.known(this.where(level, tileOf(down, sizeOf(down, level), row), tileOf(across, sizeOf(across, level), column)));
    if (!tile) return null;
    const value = tile.values[cellOf(tile.down, row) * tile.across.cells + cellOf(tile.across, column)];
    return value === undefined ? null : { value, down: sizeOf(down, level), across: sizeOf(across, level) };
  }

  private where(level: number, row: number, column: number): string {
    return `${sizeOf(this.plane.down, level)},${sizeOf(this.plane.across, level)},${row},${column}`;
  }

  private known(where: string): Tile | undefined {
    const key = `${this.source.version} ${where}`;
    const tile = this.tiles.get(key);
    if (tile === undefined || tile === "coming") return undefined;
    refresh(this.tiles, key, tile);
    refresh(this.seen, where, tile);
    return tile;
  }

  /** Ask for a tile, where that was not done yet. */
  private asked(where: string, down: Stretch, across: Stretch): undefined {
    const { source, control } = this;
    const key = `${source.version} ${where}`;
    if (this.tiles.has(key)) return;
    this.tiles.set(key, "coming");
    const piece = { top: down.from, bottom: down.to, left: across.from, right: across.to, down: down.cells, across: across.cells };
    source.load(piece, control.signal).then(
      (data) => {
        const values = new Float32Array(data);
        const tile = { down, across, values, canvas: this.coloured({ down, across, values }) };
        refresh(this.tiles, key, tile);
        refresh(this.seen, where, tile);
        this.changed();
      },
      (error: unknown) => {
        this.tiles.delete(key);
        if (control.signal.aborted) this.changed(); // it may be wanted again by now
        else this.failed(error);
      },
    );
  }

  /** What is known of a place from farther off. */
  private coarser(level: number, top: number, left: number): Tile | undefined {
    const { down, across, whole } = this.plane;
    const farthest = levelOf(whole, 1);
    for (let far = level + 1; far <= farthest; far++) {
      const where = this.where(far, tileOf(down, sizeOf(down, far), top), tileOf(across, sizeOf(across, far), left));
      const tile = this.seen.get(where);
      if (tile) {
        refresh(this.seen, where, tile);
        return tile;
      }
    }
    return undefined;
  }

  private coloured({ values, across, down }: Omit<Tile, "canvas">): OffscreenCanvas {
    return coloured(values, across.cells, down.cells, this.source.most);
  }
}

/** Which tiles of a side are in sight between two values. */
function inSight(side: Side, size: number, first: number, last: number): number[] {
  if (last <= 0 || first >= side.count) return [];
  const from = tileOf(side, size, first);
  return Array.from({ length: tileOf(side, size, last) - from + 1 }, (_, k) => from + k);
}

/** Put something at the end of what is kept, and let go of what was used longest ago. */
function refresh<T>(kept: Map<string, T>, key: string, value: T): void {
  kept.delete(key);
  kept.set(key, value);
  for (const old of kept.keys()) {
    if (kept.size <= KEPT) break;
    kept.delete(old);
  }
}
