import { useState } from "preact/hooks";
import { counted } from "../format";

/** Lists of no more are seen at a glance. */
const GLANCE = 20;

/** What of a long list is shown: at most so many of those whose name holds what is searched for; with a field, and a line on the others. */
export function useSearch<T extends { name: string }>(all: readonly T[], most: number, what: string) {
  const [wanted, want] = useState("");
  const found = wanted ? all.filter((each) => each.name.toLowerCase().includes(wanted.toLowerCase())) : all;
  const left = found.length - most;
  return {
    shown: found.slice(0, most),
    left: Math.max(left, 0),
    field: all.length > GLANCE && <input type="search" placeholder={`Search ${counted(all.length, what)}`} aria-label={`Search ${what}s`} value={wanted} onInput={(event) => want(event.currentTarget.value)} />,
    line: found.length === 0 ? <p class="empty">No {what} is called so.</p> : left > 0 ? <p class="quiet small">and {left.toLocaleString("en")} more. Search for them by name; the CSV holds all.</p> : null,
  };
}
