/** What to type, or to paste into Python, for the same as a page shows. */

/** A command line: words that a shell would take apart stand in quotes. */
export function shell(...words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)).join(" ");
}

/** A text as Python writes it. */
export function text(value: string): string {
  return JSON.stringify(value);
}

/** A number as Python and command lines read it; whole ones that are large with an exponent, or Python would keep them whole. */
export function number(value: number, digits = 15): string {
  const short = Number(value.toPrecision(digits));
  return Math.abs(short) < 1e15 ? String(short) : short.toExponential();
}

/** A value of a table as Python writes it. */
export function literal(value: number | string | boolean | null): string {
  if (value === null) return "None";
  if (typeof value === "number") return number(value, 17);
  return typeof value === "string" ? text(value) : value ? "True" : "False";
}

/** Python as it is pasted: it runs where nothing is imported yet. */
export function python(line: string): string {
  return `import pondera; ${line}`;
}
