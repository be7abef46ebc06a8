import { useEffect, useState } from "preact/hooks";

export interface Route {
  page: string;
  query: URLSearchParams;
}

/** What the address names: `#/run?run=iris` is the page `run`, asked about `iris`. */
export function read(): Route {
  const [page, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { page: page || "neuron", query: new URLSearchParams(query ?? "") };
}

export function useRoute(): Route {
  const [route, set] = useState(read);
  useEffect(() => {
    const changed = () => set(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** The address of a page, asked about something. */
export function to(page: string, query: Record<string, string> = {}): string {
  const asked = new URLSearchParams(query).toString();
  return `#/${page}${asked ? `?${asked}` : ""}`;
}

/** Have the address say what is chosen on the page that is shown: a reload, and the way back to it, find it again. */
export function keep(page: string, query: Record<string, string>): void {
  if (read().page === page) history.replaceState(history.state, "", to(page, query));
}

export function go(page: string, query: Record<string, string> = {}): void {
  location.hash = to(page, query);
}
