import type { Same } from "./api";

/** A call in Python: texts are quoted as JSON does it, which Python reads as well. */
export function python(call: string, ...given: readonly (string | number)[]): string {
  return `${call}(${given.map((each) => JSON.stringify(each)).join(", ")})`;
}

/** What the server says gives the same, with a call in Python where it knows none. */
export function orPython(told: Same | null, call: string): Same {
  return { command: told?.command ?? null, python: told?.python ?? call };
}
