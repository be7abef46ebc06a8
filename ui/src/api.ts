import { useEffect, useState } from "preact/hooks";

/** What is not of the form that the server takes, by its name for the field. */
export interface Misfit {
  field: string;
  expected: string;
  got: string | null;
}

/** A sentence that says what was wrong. */
export class Problem extends Error {
  /** Whether the server would say it again: what was asked cannot be answered. */
  readonly final: boolean;
  readonly misfit: Misfit | null;
  constructor(sentence: string, status = 0, misfit: Misfit | null = null) {
    super(sentence);
    this.final = status >= 400 && status < 500;
    this.misfit = misfit;
  }
}

/** What does not fit, for people: the sentence for programs names where the form is described. */
export function misfitting({ field, expected, got }: Misfit): string {
  return `${field}: ${expected}.${got ? ` Got ${got}.` : ""}`;
}

/** What is said where the server has ended, once for all that asks it: at the top of the page. */
export const LOST = "The server does not answer. Start pondera ui again and open the address that it prints; a training goes on meanwhile.";

const waiting = new Set<(lost: boolean) => void>();
let lost = false;

/** Whether the server answered just now. */
export function heard(answers: boolean): void {
  if (lost !== answers) return;
  lost = !answers;
  for (const tell of waiting) tell(lost);
}

/** Whether the server has ended, as far as is known. */
export function useLost(): boolean {
  const [told, tell] = useState(lost);
  useEffect(() => {
    waiting.add(tell);
    return () => void waiting.delete(tell);
  }, []);
  return told;
}

async function answered(response: Response): Promise<unknown> {
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    const told = body as ({ error?: string } & Partial<Misfit>) | null;
    if (told?.field && told.expected) {
      const misfit = { field: told.field, expected: told.expected, got: told.got ?? null };
      throw new Problem(misfitting(misfit), response.status, misfit);
    }
    throw new Problem(told?.error ?? `The server answered ${response.status}. Is it still running?`, response.status);
  }
  return body;
}

async function send(method: string, path: string, body?: BodyInit, type?: string, signal?: AbortSignal): Promise<Response> {
  try {
    const headers: Record<string, string> = type ? { "content-type": type } : {};
    const response = await fetch(path, { method, headers, ...(body === undefined ? {} : { body }), ...(signal ? { signal } : {}) });
    heard(true);
    return response;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    heard(false);
    throw new Problem(LOST);
  }
}

/** Why the server refuses what a stream of events was asked of, which the browser does not tell; null where it does not refuse. */
export async function whyNot(place: string, signal: AbortSignal): Promise<string | null> {
  const control = new AbortController();
  try {
    const response = await send("GET", place, undefined, undefined, AbortSignal.any([signal, control.signal]));
    if (!response.ok) await answered(response);
    return null;
  } catch (error) {
    return sentence(error);
  } finally {
    control.abort(); // what it answers is a stream, which has no end
  }
}

export type Query = Record<string, string | number | boolean | readonly string[]>;

export function address(path: string, query: Query = {}): string {
  const asked = new URLSearchParams(Object.entries(query).flatMap(([name, value]) => [value].flat().map((each) => [name, String(each)])));
  return `/api/${path}${asked.size ? `?${asked}` : ""}`;
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return (await answered(await send("GET", address(path, query), undefined, undefined, signal))) as T;
}

export async function post<T>(path: string, query: Query = {}, body?: unknown): Promise<T> {
  const response = await send("POST", address(path, query), body === undefined ? undefined : JSON.stringify(body), "application/json");
  return (await answered(response)) as T;
}

export async function remove<T>(path: string, query: Query = {}): Promise<T> {
  return (await answered(await send("DELETE", address(path, query)))) as T;
}

export async function upload(file: File): Promise<{ name: string; bytes: number }> {
  const response = await send("PUT", address("upload", { name: file.name }), file, "application/octet-stream");
  return (await answered(response)) as { name: string; bytes: number };
}

export async function bytes(path: string, query: Query, signal?: AbortSignal): Promise<ArrayBuffer> {
  const response = await send("GET", address(path, query), undefined, undefined, signal);
  if (!response.ok) await answered(response);
  return response.arrayBuffer();
}

/** What to type for the same, in a shell and in Python, where there is something. */
export interface Same {
  command?: string | null;
  python?: string | null;
}

export interface Answer<T> extends Same {
  answer: T;
}

/** Milliseconds between two asks of the same. */
const AGAIN = 500;

/** Ask a command of Pondera's, and go on asking while it is worked on. */
export async function ask<T>(path: string, query: Query, signal?: AbortSignal): Promise<Answer<T>> {
  for (;;) {
    const found = await get<Answer<T> | { working: true }>(path, query, signal);
    if (!("working" in found)) return found;
    await new Promise((done) => setTimeout(done, AGAIN));
    signal?.throwIfAborted();
  }
}

export interface Loading<T> {
  value: T | null;
  problem: string | null;
  working: boolean;
}

/** Load something whenever what it depends on changes. Until it is there `value` is what was there before: see what it is of. */
export function useLoading<T>(load: ((signal: AbortSignal) => Promise<T>) | null, on: readonly unknown[]): Loading<T> {
  const [state, set] = useState<Loading<T>>({ value: null, problem: null, working: load !== null });
  useEffect(() => {
    if (!load) {
      set({ value: null, problem: null, working: false });
      return;
    }
    const control = new AbortController();
    set((before) => ({ ...before, problem: null, working: true }));
    load(control.signal).then(
      (value) => control.signal.aborted || set({ value, problem: null, working: false }),
      (error: unknown) => control.signal.aborted || set({ value: null, problem: sentence(error), working: false }),
    );
    return () => control.abort();
  }, on);
  return state;
}

export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
