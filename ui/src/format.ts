/** A number as people read it: up to so many digits that count, thousands apart, no needless zeros. */
export function figure(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4) return value.toExponential(Math.max(digits - 2, 1)).replace(/\.?0+e/, "e").replaceAll("-", "−").replace("e+", "e");
  const text = size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}

/** Numbers of a text that a program wrote, as they are written here: one minus, exponents without what says nothing. */
export function typeset(text: string): string {
  return text.replace(/(?<=\d)e([+-])0*(?=\d)/g, (_, sign: string) => (sign === "-" ? "e−" : "e")).replaceAll("-", "−");
}

/** So many of something: "1 row", "1,797 rows". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** With its sign, for changes. */
export function signed(value: number | null | undefined, digits = 4): string {
  const text = figure(value, digits);
  return value !== null && value !== undefined && value > 0 ? `+${text}` : text;
}

export function share(value: number | null | undefined, digits = 1): string {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`;
}

export function amount(size: number): string {
  for (const [unit, one] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const)
    if (size >= one) return `${Number((size / one).toPrecision(3))} ${unit}`;
  return `${size} bytes`;
}

/** A moment of the reader's clock, written as the command line writes when runs began; of another year, its day. */
export function when(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return "–";
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return date.getFullYear() === new Date().getFullYear() ? `${day} ${two(date.getHours())}:${two(date.getMinutes())}` : `${date.getFullYear()}-${day}`;
}
