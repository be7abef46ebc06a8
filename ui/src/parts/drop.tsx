import { useState } from "preact/hooks";
import { sentence, upload } from "../api";
import { ProblemLine } from "./common";

/** A place to drop a file on, or to choose one with; it is put into the folder. */
export function Drop({ label, accept, onTaken, children }: { label: string; accept?: string; onTaken: (name: string) => void; children: string }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState("");
  const [over, setOver] = useState(false);
  const take = async (file: File | undefined) => {
    if (!file) return;
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
        <input type="file" aria-label={label} {...(accept ? { accept } : {})} onChange={(event) => void take(event.currentTarget.files?.[0])} />
        {busy ? `Taking ${busy} …` : children}
      </label>
      {problem && <ProblemLine>{problem}</ProblemLine>}
    </>
  );
}

/** The endings of tables. */
export const TABLES = ".csv,.tsv,.parquet,.arrow,.feather";
