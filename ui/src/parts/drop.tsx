import { useState } from "preact/hooks";
import { sentence, upload } from "../api";
import { ProblemLine } from "./common";

/** What a place takes: in words, and the endings of its files. */
interface Kind {
  what: string;
  endings: readonly string[];
}

/** A place to drop a file on, or to choose one with; it is put into the folder. */
export function Drop({ label, only, onTaken, children }: { label: string; only?: Kind; onTaken: (name: string) => void; children: string }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState("");
  const [over, setOver] = useState(false);
  const take = async (file: File | undefined) => {
    if (!file) return;
    if (only && !only.endings.some((ending) => file.name.toLowerCase().endsWith(ending))) return setProblem(`“${file.name}”: expected ${only.what}, by its ending: ${only.endings.join(", ")}.`);
    setProblem(null);
    setBusy(file.name);
    try {
      onTaken((await upload(file)).name);
    } catch (error) {
      setProblem(sentence(error));
    }
    setBusy("");
  };
  return (
    <>
      <label
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void take(event.dataTransfer?.files[0]);
        }}
      >
        <input type="file" aria-label={label} {...(only ? { accept: only.endings.join(",") } : {})} onChange={(event) => void take(event.currentTarget.files?.[0])} />
        {busy ? `Taking ${busy} …` : children}
      </label>
      {problem && <ProblemLine>{problem}</ProblemLine>}
    </>
  );
}

export const TABLES: Kind = { what: "a table (CSV, TSV, Parquet, Arrow)", endings: [".csv", ".tsv", ".parquet", ".arrow", ".feather"] };
