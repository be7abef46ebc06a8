import { useEffect, useState } from "preact/hooks";
import { LOST, useLost } from "./api";
import { Checkpoints } from "./pages/checkpoints";
import { Explain } from "./pages/explain";
import { NeuronPage } from "./pages/neuron";
import { Nowhere } from "./pages/nowhere";
import { RunPage } from "./pages/run";
import { Runs } from "./pages/runs";
import { Train } from "./pages/train";
import { useRoute } from "./route";
import { type Theme, useTheme } from "./theme";

const PAGES = [
  ["neuron", "Neuron"],
  ["train", "Train"],
  ["runs", "Runs"],
  ["checkpoints", "Checkpoints"],
  ["explain", "Explain"],
] as const;

/** The head of every page, and the page that the address names. */
export function App() {
  const route = useRoute();
  const [theme, setTheme] = useTheme();
  const page = route.page === "run" ? "runs" : route.page;
  const [announced, announce] = useState("");
  const lost = useLost();
  useEffect(() => {
    const name = PAGES.find(([key]) => key === page)?.[1] ?? "No such page";
    document.title = `${name} · Pondera`;
    announce(name === "No such page" ? name : `${name} page`);
  }, [page]);
  return (
    <>
      <a class="skip" href={`#/${route.page}`} onClick={(event) => focusMain(event)}>
        Skip to the content
      </a>
      <header class="head">
        <div class="head-row">
          <a class="brand" href="#/neuron" aria-label="Pondera">
            <Mark />
            Pondera
          </a>
          <nav class="nav" aria-label="Pages">
            {PAGES.map(([key, name]) => (
              <a key={key} href={`#/${key}`} aria-current={key === page ? "page" : undefined}>
                {name}
              </a>
            ))}
          </nav>
          <button class="plain" type="button" onClick={() => setTheme(other(theme))} aria-label={`Switch to ${other(theme)}`}>
            {theme === "dark" ? "☀" : "☾"}
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <p class="hidden" aria-live="polite">
          {announced}
        </p>
        {lost && (
          <p class="problem lost" role="alert">
            {LOST}
          </p>
        )}
        <Page page={route.page} query={route.query} />
      </main>
    </>
  );
}

function Page({ page, query }: { page: string; query: URLSearchParams }) {
  if (page === "train") return <Train />;
  if (page === "run") return <RunPage run={query.get("run") ?? ""} network={Number(query.get("network")) || 0} key={query.toString()} />;
  if (page === "runs") return <Runs />;
  if (page === "checkpoints") return <Checkpoints query={query} />;
  if (page === "explain") return <Explain query={query} />;
  if (page === "neuron") return <NeuronPage />;
  return <Nowhere page={page} pages={PAGES} />;
}

function other(theme: Theme): Theme {
  return theme === "dark" ? "light" : "dark";
}

function focusMain(event: Event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** A balance: what pondera, weights, lie on. */
function Mark() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" aria-hidden="true">
      <path d="M12 3v17M7 20.5h10M4 7.5l16-2.6" />
      <path d="M1.8 14.5 4.4 7.6l2.7 6.9a2.9 2.9 0 0 1-5.3 0zM16.9 12l2.7-6.9 2.6 6.9a2.9 2.9 0 0 1-5.3 0z" fill="var(--positive)" stroke="none" opacity=".85" />
    </svg>
  );
}
