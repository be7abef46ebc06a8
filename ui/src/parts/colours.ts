import { token } from "../theme";

const SHADES = 256;

/** Values as pixels: their signs as colours, the square root of their sizes as strength, so that small ones are seen. */
export function coloured(values: Float32Array, across: number, down: number, most: number): OffscreenCanvas {
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

/** From the colour of the card to another, as pixels: red lies in the first byte. */
function shades(colour: string): Uint32Array {
  const [from, to] = [rgb(token("card")), rgb(colour)];
  return Uint32Array.from({ length: SHADES }, (_, k) => {
    const [red, green, blue] = from.map((part, at) => Math.round(part + ((to[at] as number) - part) * (k / (SHADES - 1)))) as [number, number, number];
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

/** The parts of a colour as the style sheet writes it, #rgb or #rrggbb. */
export function rgb(colour: string): [number, number, number] {
  const short = colour.length === 4;
  const part = (at: number) => (short ? 17 * parseInt(colour.slice(1 + at, 2 + at), 16) : parseInt(colour.slice(1 + 2 * at, 3 + 2 * at), 16));
  return [part(0), part(1), part(2)];
}
