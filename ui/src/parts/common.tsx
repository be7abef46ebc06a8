import { type ComponentChildren, Fragment } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { LOST, type Same, sentence } from "../api";
import { number, python } from "../commands";
import { saveCsv, saveJson, savePicture, saveSnapshot } from "../export";
import { figure } from "../format";

export interface Finding {
  statement: string;
  advice: string;
  certainty: string;
  rule: string;
  where: string;
  since?: number | null;
}

/** The top of a page: what it is about, and the page as a file to send to somebody. */
export function Lead(props: { title: string; children?: ComponentChildren; name: string; more?: ComponentChildren }) {
  return (
    <div class="lead">
      <div class="grow">
        <h1>{props.title}</h1>
        <p>{props.children}</p>
      </div>
      <div class="row">
        {props.more}
        <button type="button" onClick={() => saveSnapshot(props.name)} title="The page as it is now, in one file that stands by itself">
          Save page
        </button>
      </div>
    </div>
  );
}

/** Names of columns, and what is in them. */
type Rows = [readonly string[], readonly (readonly unknown[])[]];

export interface Exports {
  name: string;
  /** Whether there is nothing to save yet. */
  empty?: boolean;
  picture?: "svg" | "canvas";
  json?: () => unknown;
  csv?: () => Rows | Promise<Rows>;
}

/** One thing with a heading, a sentence on how to read it, its exports, and the command that gives the same. */
export function Card(props: {
  title: string;
  sentence?: ComponentChildren;
  right?: ComponentChildren;
  same?: Same | null | undefined;
  exports?: Exports;
  children: ComponentChildren;
  id?: string;
}) {
  const place = useRef<HTMLElement>(null);
  const { exports, same } = props;
  return (
    <section class="card" ref={place} id={props.id} aria-label={props.title}>
      <header>
        <h2>{props.title}</h2>
        {props.right}
        {props.sentence && <p>{props.sentence}</p>}
      </header>
      {props.children}
      {(same?.command || same?.python || exports) && (
        <div class="same">
          <Lines of={same} />
          {exports && <Buttons exports={exports} place={() => place.current} />}
        </div>
      )}
    </section>
  );
}

/** What gives the same, and exports, below a part of a card: of what is in the same element. */
export function SameAs({ of, exports }: { of?: Same | null; exports?: Exports }) {
  const own = useRef<HTMLDivElement>(null);
  return (
    <div class="same" ref={own}>
      <Lines of={of} />
      {exports && <Buttons exports={exports} place={() => own.current?.parentElement ?? null} />}
    </div>
  );
}

/** What saves the picture in a place, and its figures. */
function Buttons({ exports, place }: { exports: Exports; place: () => HTMLElement | null }) {
  const [problem, setProblem] = useState<string | null>(null);
  const { name, picture, csv, json } = exports;
  const button = (what: string, save: () => void | Promise<void>, nothing = false) => (
    <button type="button" class="plain" disabled={nothing || exports.empty} onClick={() => void Promise.resolve(save()).then(() => setProblem(null), (error: unknown) => setProblem(sentence(error)))}>
      {what}
    </button>
  );
  return (
    <span class="exports">
      {problem && <span class="grave">{problem} </span>}
      {picture === "svg" && button("SVG", () => savePicture(place(), name, "svg"))}
      {picture && button("PNG", () => savePicture(place(), name, "png"))}
      {csv && button("CSV", async () => saveCsv(name, ...(await csv())))}
      {json && button("JSON", () => saveJson(name, json()), (json() ?? null) === null)}
    </span>
  );
}

function Lines({ of }: { of: Same | null | undefined }) {
  return (
    <>
      {of?.command && <Copy text={of.command} />}
      {of?.python && <Copy text={python(of.python)} />}
    </>
  );
}

/** Letters of the longest word that is never broken. */
const WORD = 20;

/** A name, which breaks between its words, and within those that are very long. */
export function Name({ children }: { children: string }) {
  const words = children.split(/(?<=[_/.:-])/);
  return (
    <>
      {words.map((word, at) => (
        <Fragment key={at}>
          {at > 0 && <wbr />}
          {word.length > WORD ? word : <span class="word">{word}</span>}
        </Fragment>
      ))}
    </>
  );
}

/** A line of code, and a button that copies it. */
export function Copy({ text }: { text: string }) {
  const [done, set] = useState(false);
  const copy = () =>
    void navigator.clipboard.writeText(text).then(() => {
      set(true);
      setTimeout(() => set(false), 1500);
    });
  return (
    <span class="copy">
      <code>{text}</code>
      <button type="button" class="plain" onClick={copy} aria-label={`Copy ${text}`}>
        {done ? "copied" : "copy"}
      </button>
    </span>
  );
}

export function Waiting({ children }: { children: ComponentChildren }) {
  return (
    <p class="waiting" role="status">
      {children}
    </p>
  );
}

/** A sentence on what went wrong; that the server has ended is said at the top of the page. */
export function ProblemLine({ children }: { children: ComponentChildren }) {
  return children === LOST ? null : (
    <p class="problem" role="alert">
      {children}
    </p>
  );
}

export function Figures({ of }: { of: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="figures">
      {of.map(([word, value]) => (
        <div key={word}>
          <dt>{word}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Findings as rows. */
export function rowsOf(findings: readonly Finding[]): Rows {
  return [["rule", "statement", "advice", "certainty", "since"], findings.map((each) => [each.rule, each.statement, each.advice, each.certainty, each.since])];
}

export function Findings({ of, none }: { of: readonly Finding[]; none: string }) {
  if (of.length === 0) return <p class="empty">{none}</p>;
  return (
    <ul class="findings">
      {of.map((each) => (
        <li key={each.statement}>
          <b>{each.statement}</b>
          {each.advice} <span>{[each.rule, each.since ? `since step ${each.since.toLocaleString("en")}` : "", each.certainty].filter(Boolean).join(" · ")}</span>
        </li>
      ))}
    </ul>
  );
}

interface Given {
  id?: string;
  type?: "number";
  min?: string;
  max?: number | undefined;
  step?: number | "any";
  placeholder?: string;
  style?: { width: string };
  "aria-label"?: string;
  "aria-invalid"?: boolean;
}

/** A field that keeps what somebody types until it is given: an answer that comes meanwhile does not write over it. */
export function Field({ value, onGive, ...rest }: Given & { value: string | number; onGive: (text: string) => void }) {
  const [typed, type] = useState<string | null>(null);
  const give = (text: string) => {
    type(null);
    onGive(text);
  };
  return <input {...rest} value={typed ?? value} onInput={(event) => type(event.currentTarget.value)} onChange={(event) => give(event.currentTarget.value)} onBlur={() => type(null)} />;
}

interface Bounds {
  low?: number | undefined;
  high?: number | undefined;
  whole?: boolean | undefined;
}

/** A field of a number. What is none, or not one of those that are meant, is told, and the number stays what it is. */
export function NumberField({ value, shown, low, high, whole, onGive, ...rest }: Omit<Given, "type" | "min" | "max"> & Bounds & { value: number; shown?: string; onGive: (value: number) => void }) {
  const [problem, tell] = useState("");
  useEffect(() => tell(""), [value]);
  const give = (text: string) => {
    const given = text.trim() === "" ? Number.NaN : Number(text); // also what the browser cannot read as a number
    const fits = Number.isFinite(given) && given >= (low ?? -Infinity) && given <= (high ?? Infinity) && (!whole || Number.isInteger(given));
    tell(fits ? "" : `Expected ${expected({ low, high, whole })}.${text ? ` Got ${text}.` : ""} It stays ${figure(value)}.`);
    if (fits) onGive(given);
  };
  return (
    <>
      <Field {...rest} type="number" {...(low === undefined ? {} : { min: String(low) })} max={high} value={shown ?? value} onGive={give} />
      {problem && (
        <span class="grave small wrong" role="alert">
          {problem}
        </span>
      )}
    </>
  );
}

function expected({ low, high, whole }: Bounds): string {
  const range = low !== undefined && high !== undefined ? ` from ${figure(low)} to ${high.toLocaleString("en")}` : low !== undefined ? ` of at least ${figure(low)}` : whole ? "" : " within ±1.8e308";
  return `a ${whole ? "whole " : ""}number${range}`;
}

/** What is between two bounds as a slider gives it: with no more digits than it can be moved by. */
function slid(value: number, low: number, high: number): number {
  const unit = 10 ** Math.floor(Math.log10((high - low) / 1000));
  const near = Number((Math.round(value / unit) * unit).toPrecision(15));
  return Number.isFinite(near) ? Math.min(Math.max(near, low), high) : value;
}

/** A number with a slider and a field, both reachable by keys. The field shows all digits that are used, and grows with them. */
export function Slider(props: {
  label: ComponentChildren;
  name: string;
  value: number;
  low: number;
  high: number;
  step?: number;
  onChange: (value: number) => void;
}) {
  const id = `slider-${props.name}`;
  const { low, high, step, value } = props;
  const shown = number(value);
  return (
    <div class="slider">
      <label for={id}>{props.label}</label>
      <input id={id} type="range" min={low} max={high} step={step ?? "any"} value={value} onInput={(event) => props.onChange(step ? Number(event.currentTarget.value) : slid(Number(event.currentTarget.value), low, high))} />
      <NumberField aria-label={`${props.name}, as a number`} step={step ?? "any"} {...{ value, shown }} style={{ width: `calc(${shown.length}ch + 1rem)` }} onGive={props.onChange} />
    </div>
  );
}

/** A bar from 0: to the right, or where values have signs, from the middle. */
export function Bar(props: { value: number | null; most: number; signed?: boolean; interval?: readonly [number, number] | null; thin?: boolean }) {
  const part = (value: number) => Math.max(-1, Math.min(1, props.most > 0 ? value / props.most : 0));
  const place = (value: number) => (props.signed ? 50 + 50 * part(value) : 100 * Math.max(0, part(value)));
  const value = props.value ?? 0;
  const zero = props.signed ? 50 : 0;
  const from = Math.min(zero, place(value));
  return (
    <span class={props.thin ? "bar thin" : "bar"} role="img" aria-label={figure(props.value)} style={{ display: "block" }}>
      <i class={value < 0 ? "negative" : ""} style={{ left: `${from}%`, width: `${Math.abs(place(value) - zero)}%` }} />
      {props.interval && <u style={{ left: `${place(props.interval[0])}%`, width: `${place(props.interval[1]) - place(props.interval[0])}%` }} />}
    </span>
  );
}
