import { useEffect, useRef, useState } from "preact/hooks";
import { ask, type Same } from "../api";
import { figure } from "../format";
import { type Kept, shownStep, useSettled } from "../live";
import type { Which } from "../network";
import { isOn, type Pulse } from "../pulse";
import { token, useThemeChanges } from "../theme";
import { rgb } from "./colours";
import { Card, ProblemLine, Waiting } from "./common";

interface Surfaces {
  columns: [string, string];
  target: string;
  classes: string[] | null;
  x: number[];
  y: number[];
  surfaces: { step: number; predicted: number[]; certainty: number[] | null }[];
  points: [number | null, number | null, unknown][];
}

const REPLAYED = 40;
/** Of classes, in their order. */
const COLOURS = ["negative", "positive", "third", "fourth", "fifth", "grave", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"];

/** What a network of two inputs predicts everywhere: now, or at the step that is replayed. */
export function SurfaceCard({ of, pulse, step, kept }: { of: Which; pulse: Pulse; step: number | null; kept: Kept | null }) {
  const [found, set] = useState<Surfaces | null>(null);
  const [same, setSame] = useState<Same | null>(null);
  const on = isOn(pulse);
  const problem = useSettled(`${pulse.recorded} ${on}`, 700, async () => {
    const told = await ask<Surfaces>("run/surface", { ...of, steps: on ? 1 : REPLAYED, grid: 48 });
    set(told.answer);
    setSame(told);
  }, on);
  const surfaces = found?.surfaces ?? [];
  const shown = step === null ? surfaces.at(-1) : surfaces.reduce((best, each) => (Math.abs(each.step - step) < Math.abs(best.step - step) ? each : best), surfaces[0] as Surfaces["surfaces"][number]);
  return (
    <Card
      title="What it predicts everywhere"
      sentence={found ? `${found.columns[0]} to the right, ${found.columns[1]} up; dots are rows.` : undefined}
      right={shown && <span class="quiet small">{shownStep(shown.step, null, kept)}</span>}
      same={same}
      exports={{ name: `${of.run.replaceAll("/", "-")}-surface`, empty: !shown, picture: "canvas", json: () => found }}
    >
      {problem && <ProblemLine>{problem}</ProblemLine>}
      {found && shown ? <Plane found={found} shown={shown} /> : !problem && <Waiting>Asking the network …</Waiting>}
    </Card>
  );
}

function Plane({ found, shown }: { found: Surfaces; shown: Surfaces["surfaces"][number] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const themes = useThemeChanges();
  useEffect(() => {
    if (canvas.current) draw(canvas.current, found, shown);
  }, [found, shown, themes]);
  const values = shown.predicted;
  return (
    <div>
      <div class="canvas-box" style={{ aspectRatio: "1 / 0.86", maxHeight: "420px" }} data-testid="surface">
        <canvas ref={canvas} width={760} height={654} aria-label={`What is predicted over ${found.columns.join(" and ")}`} />
      </div>
      <div class="legend" style={{ marginTop: "0.6rem" }}>
        {found.classes ? (
          found.classes.map((name, k) => (
            <span key={name}>
              <i style={{ background: `var(--${COLOURS[k % COLOURS.length]})` }} />
              {name}
            </span>
          ))
        ) : (
          <span>
            {found.target} from {figure(Math.min(...values))} (amber) to {figure(Math.max(...values))} (blue)
          </span>
        )}
        {found.classes && found.classes.length > COLOURS.length && <span>Of more than {COLOURS.length} classes several have the same colour.</span>}
      </div>
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, found: Surfaces, shown: Surfaces["surfaces"][number]): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const colours = COLOURS.map((name) => rgb(token(name)));
  const card = rgb(token("card"));
  const [across, down] = [found.x.length, found.y.length];
  const small = new OffscreenCanvas(across, down);
  const pixels = small.getContext("2d");
  if (!pixels) return;
  const image = pixels.createImageData(across, down);
  const low = Math.min(...shown.predicted);
  const high = Math.max(...shown.predicted);
  const many = found.classes?.length ?? 2;
  for (let row = 0; row < down; row++)
    for (let column = 0; column < across; column++) {
      const k = row * across + column;
      const value = shown.predicted[k] ?? 0;
      let colour = colours[value % colours.length] ?? card;
      let strength = 0.65 * Math.max(0, ((shown.certainty?.[k] ?? 1) - 1 / many) / (1 - 1 / many)) + 0.08;
      if (!found.classes) {
        const part = high > low ? (2 * (value - low)) / (high - low) - 1 : 0;
        colour = colours[part < 0 ? 0 : 1] ?? card;
        strength = 0.75 * Math.abs(part);
      }
      const at = 4 * ((down - 1 - row) * across + column);
      for (let part = 0; part < 3; part++) image.data[at + part] = (card[part] ?? 0) * (1 - strength) + (colour[part] ?? 0) * strength;
      image.data[at + 3] = 255;
    }
  pixels.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  const [x0, x1, y0, y1] = [found.x[0] ?? 0, found.x.at(-1) ?? 1, found.y[0] ?? 0, found.y.at(-1) ?? 1];
  for (const [x, y, answer] of found.points) {
    if (x === null || y === null) continue;
    const kind = found.classes ? found.classes.indexOf(String(answer)) : Number(answer) > (low + high) / 2 ? 1 : 0;
    context.beginPath();
    context.arc(((x - x0) / (x1 - x0)) * canvas.width, (1 - (y - y0) / (y1 - y0)) * canvas.height, 4.4, 0, 7);
    context.fillStyle = `rgb(${(colours[Math.max(kind, 0) % colours.length] ?? card).join(" ")})`;
    context.fill();
    context.strokeStyle = `rgb(${card.join(" ")})`;
    context.lineWidth = 1.4;
    context.stroke();
  }
}
