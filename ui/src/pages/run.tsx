import { useEffect, useMemo, useState } from "preact/hooks";
import { type Answer, get, post, type Same, sentence } from "../api";
import { figure } from "../format";
import { type Curves, EPOCH, type Epoch, heldOut, type Kept, keptOf, reached, shownStep, useCurves, useFrame, useLife, useSettled } from "../live";
import { type Which, which } from "../network";
import { Card, Figures, type Finding, Findings, Lead, ProblemLine, rowsOf, Waiting } from "../parts/common";
import { Curves as CurveChart } from "../parts/curves";
import { type Connection, weightsIn } from "../parts/connections";
import { Inspector } from "../parts/inspector";
import { MatrixCard } from "../parts/matrix-card";
import { NetworkPicture } from "../parts/network-picture";
import { OutcomeCard } from "../parts/outcome";
import { formOf } from "../parts/plan";
import { useReplay } from "../parts/replay";
import { SurfaceCard } from "../parts/surface";
import { Transport } from "../parts/transport";
import { UnitInspector } from "../parts/unit-inspector";
import type { Unit } from "../parts/units";
import { isOn, type Pulse, usePulse } from "../pulse";
import { go, to } from "../route";

interface Run extends Same {
  run: string;
  metric: string;
  about: { source: string | null; target: string | null; task: string | null };
  tensors: Record<string, number[]>;
  networks: number[];
  averaged: number;
  model: string | null;
  trained: string | null;
  ended: string | null;
  note: string | null;
  settings: Record<string, unknown>;
}

/** A training as it goes on, and its whole life once it has ended; of several networks one. */
export function RunPage({ run, network }: { run: string; network: number }) {
  const of = useMemo(() => which(run, network), [run, network]);
  const { pulse, problem: silent } = usePulse(of);
  const [about, setAbout] = useState<Run | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const on = isOn(pulse);
  useEffect(() => {
    if (pulse?.there) void get<Run>("run", { run }).then(setAbout, (error: unknown) => setProblem(sentence(error)));
  }, [pulse?.there, pulse?.activity, pulse?.saved, Boolean(pulse?.recorded)]);  // what it is of is written with the first step
  const { curves, problem: noCurves } = useCurves(of, pulse);
  const [stopping, setStopping] = useState(false); // until the pulse says so
  useEffect(() => setStopping(false), [on]);
  const command = async (what: "pause" | "continue" | "stop") => {
    setProblem(null);
    setStopping(what === "stop");
    await post(`training/${what}`, { run }).catch((error: unknown) => {
      setStopping(false);
      setProblem(sentence(error));
    });
  };
  const two = about && (about.settings["columns"] === 2 || firstWidth(about) === 2);
  return (
    <>
      <Lead
        title={run}
        name={run.replaceAll("/", "-")}
        more={
          <span class="row" data-live>
            {about && <Networks of={of} all={about.networks} />}
            <Controls pulse={pulse} stopping={stopping} onCommand={(what) => void command(what)} />
          </span>
        }
      >
        {about?.about.target ? (
          <>
            Predicts <b>{about.about.target}</b> from the other columns of {about.about.source?.split("/").at(-1)}
            {about.averaged > 1 ? `, by the mean of ${about.averaged.toLocaleString("en")} networks; below is network ${network}.` : "."}
          </>
        ) : (
          "A training and the life of its weights."
        )}
      </Lead>
      <div class="stack">
        {problem && <ProblemLine>{problem}</ProblemLine>}
        {noCurves && <ProblemLine>{noCurves}</ProblemLine>}
        {silent && <ProblemLine>{silent}</ProblemLine>}
        {pulse?.activity === "failed" && <ProblemLine>{pulse.error}</ProblemLine>}
        {(pulse ? pulse.there || on : !silent) && <Summary pulse={pulse} curves={curves} metric={about?.metric || "metric"} />}
        {pulse === null && silent ? null : pulse === null || (!pulse.there && on) ? (
          <Waiting>Getting ready: the table is read, and the program for the network compiled …</Waiting>
        ) : !pulse.there && (pulse.activity === "failed" || pulse.stopped) ? (
          <p>
            {pulse.stopped ? pulse.problem : "It left no run."} <a href={formOf(run)}>Change the training, and start it again.</a>
          </p>
        ) : !pulse.there ? (
          <ProblemLine>
            {pulse.problem ?? "There is no run of this name."} {network > 0 ? <a href={to("run", { run })}>Open the first one.</a> : "Choose one on the page Runs."}
          </ProblemLine>
        ) : (
          <Parts of={of} pulse={pulse} curves={curves} about={about} two={Boolean(two)} />
        )}
      </div>
    </>
  );
}

/** Which of several networks is shown. */
function Networks({ of, all }: { of: Which; all: number[] }) {
  const shown = of.network ?? all[0] ?? 0;
  const listed = all.includes(shown) ? all : [shown, ...all]; // an address may name one that was left out
  if (listed.length < 2) return null;
  return (
    <select aria-label="Which network" value={shown} onChange={(event) => go("run", { run: of.run, network: event.currentTarget.value })}>
      {listed.map((number) => (
        <option key={number} value={number}>
          Network {number}
        </option>
      ))}
    </select>
  );
}

function firstWidth(about: Run): number {
  return Object.values(about.tensors).find((shape) => shape.length === 2)?.[0] ?? 0;
}

function Controls({ pulse, stopping, onCommand }: { pulse: Pulse | null; stopping: boolean; onCommand: (what: "pause" | "continue" | "stop") => void }) {
  if (!pulse || (!pulse.there && pulse.activity === "ended")) return null;
  const { activity } = pulse;
  if (activity === "stopping" || (stopping && isOn(pulse)))
    return (
      <span class="badge stopping" data-testid="activity">
        stopping
      </span>
    );
  return (
    <>
      <span class={`badge ${activity}`} data-testid="activity">
        {activity === "ended" ? (pulse.state ?? "ended") : activity}
      </span>
      {activity === "running" && !pulse.saved && (
        <button type="button" onClick={() => onCommand("pause")}>
          Pause
        </button>
      )}
      {(activity === "pausing" || activity === "paused") && (
        <button type="button" onClick={() => onCommand("continue")}>
          Continue
        </button>
      )}
      {isOn(pulse) && (
        <button type="button" onClick={() => onCommand("stop")}>
          Stop
        </button>
      )}
      {["ended", "failed"].includes(activity) && pulse.there && pulse.state !== "finished" && (
        <button type="button" onClick={() => onCommand("continue")}>
          Go on
        </button>
      )}
    </>
  );
}

/** Which score is the best, of the metrics that are known. */
const BEST: Record<string, (...scores: number[]) => number> = { accuracy: Math.max, RMSE: Math.min, "RMSE/std": Math.min };

function Summary({ pulse, curves, metric }: { pulse: Pulse | null; curves: Curves | null; metric: string }) {
  const { epochs, steps, last } = reached(curves, pulse);
  const held = heldOut(curves);
  const best = useMemo(() => {
    const better = BEST[metric];
    if (!better) return null;
    return (curves?.epochs ?? []).reduce<number | null>((found, { validation_metric: score }) => (score === null ? found : found === null ? score : better(found, score)), null);
  }, [curves, metric]);
  return (
    <Figures
      of={[
        ["epochs", `${epochs.toLocaleString("en")}${pulse?.planned ? ` of ${pulse.planned.toLocaleString("en")}` : ""}`],
        ["steps", <span data-testid="steps">{steps.toLocaleString("en")}</span>],
        ["loss of training", figure(last?.training_loss)],
        ...(held.loss ? [["loss held out", figure(last?.validation_loss)] as const] : []),
        ...(held.metric ? ([[`${metric} held out`, figure(last?.validation_metric)]] as const) : []),
        ...(held.metric && metric in BEST ? ([[`best ${metric}`, figure(best)]] as const) : []),
        ["learning rate", figure(last?.learning_rate)],
      ]}
    />
  );
}

function Parts({ of, pulse, curves, about, two }: { of: Which; pulse: Pulse; curves: Curves | null; about: Run | null; two: boolean }) {
  const { run } = of;
  const on = isOn(pulse);
  const [whole, setWhole] = useState(false);
  const { life, problem } = useLife(of, pulse, whole);
  const [chosen, setChosen] = useState<Connection | null>(null);
  const [unit, setUnit] = useState<Unit | null>(null);
  const [health, setHealth] = useState<Answer<{ findings: Finding[]; unasked: string[]; hint: string | null }> & { options: string } | null>(null);
  const count = life?.drawing.steps.length ?? 0;
  const replay = useReplay(count);
  const { at, place } = replay;
  const { frame, problem: noFrame } = useFrame(of, life, place);
  const step = frame?.step ?? 0;
  const noHealth = useSettled(pulse.recorded ? `${pulse.epochs} ${pulse.activity}` : null, 2500, async () => {
    if (!pulse.recorded) return;
    setHealth(await get("run/health", { run }));
  }, pulse.activity);
  const model = on ? null : about?.model;
  const name = run.replaceAll("/", "-");
  const choose = (next: Connection | null) => {
    setUnit(null);
    setChosen(next);
  };
  const chooseUnit = (next: Unit | null) => {
    setChosen(null);
    setUnit(next);
  };
  const metric = about?.metric || "metric";
  const marked = at === null ? null : step;
  const recorded = life?.drawing.steps ?? [];
  const kept = useMemo(() => (on ? null : keptOf(curves, recorded)), [on, curves, recorded]);
  const cards = useMemo(() => <CurveCards name={name} curves={curves} metric={metric} step={marked} kept={kept} />, [name, curves, metric, marked, kept]);
  const shown = shownStep(step, on && at === null ? reached(curves, pulse).steps : null, kept);
  const showKept = ({ step }: Kept) => {
    const best = recorded.reduce((best, each, at) => (Math.abs(each - step) < Math.abs((recorded[best] ?? 0) - step) ? at : best), 0);
    replay.show(best);
  };
  const transport = (id: string) => (
    <Transport
      {...{ id, place, count, playing: replay.playing }}
      now={on ? at === null : null}
      onPlay={() => {
        setWhole(true);
        replay.play();
      }}
      onTouch={() => setWhole(true)}
      onMove={(to) => {
        setWhole(true);
        replay.show(to);
      }}
      onNow={() => {
        replay.show(null);
        setWhole(false);
      }}
    />
  );
  return (
    <>
      {model && <OutcomeCard run={run} model={model} trained={about?.trained ?? null} ended={[about?.ended, about?.note].filter(Boolean).join(" ")}>{kept && <KeptLine kept={kept} network={about && about.averaged > 1 ? (of.network ?? 0) : null} onShow={() => showKept(kept)} />}</OutcomeCard>}
      <div class={two ? "grid two" : "grid"}>
        <Card
          title="The network"
          sentence={chosen || unit ? undefined : "Choose a connection to see its life, or a unit to see what it does."}
          right={<span class="quiet small">{shown}</span>}
          same={life?.drawing}
          exports={{ name: `${name}-network-step-${step}`, empty: !frame, picture: "canvas", json: () => frame && { step, weights: Object.fromEntries(weightsIn(frame)) }, csv: () => [["connection", "weight"], frame ? weightsIn(frame) : []] }}
        >
          {(problem ?? noFrame) && <ProblemLine>{problem ?? noFrame}</ProblemLine>}
          {life && frame ? (
            <>
              <NetworkPicture matrices={frame.matrices} values={frame.values} chosen={chosen} onChoose={choose} unit={unit} onUnit={chooseUnit} inputs={life.drawing.inputs} outputs={life.drawing.outputs} height={two ? 420 : 400} />
              {transport("replay")}
            </>
          ) : (
            !problem && <Waiting>Waiting for the first recorded step …</Waiting>
          )}
        </Card>
        {two && <SurfaceCard of={of} pulse={pulse} step={at === null ? null : step} kept={kept} />}
      </div>
      {chosen && life && frame && <Inspector of={of} chosen={chosen} frame={frame} latest={life.frames.at(-1)} saved={Boolean(pulse.saved) && !on} kept={kept} steps={life.drawing.steps} onClose={() => choose(null)} />}
      {unit && life && frame && <UnitInspector of={of} unit={unit} matrices={frame.matrices} inputs={life.drawing.inputs} outputs={life.drawing.outputs} step={step} saved={Boolean(pulse.saved) && !on} kept={kept} onUnit={chooseUnit} onClose={() => setUnit(null)} />}
      {life && about && (
        <MatrixCard of={of} pulse={pulse} tensors={about.tensors} step={step} shown={shown}>
          {transport("replay-layer")}
        </MatrixCard>
      )}
      {cards}
      <div class="grid">
        <Card title="Healthy or not" same={health} exports={{ name: `${name}-health`, empty: !health, json: () => health?.answer.findings, csv: () => rowsOf(health?.answer.findings ?? []) }}>
          {noHealth && <ProblemLine>{noHealth}</ProblemLine>}
          {health ? <Findings of={health.answer.findings} none="Nothing is wrong that the rules know of." /> : !noHealth && <Waiting>Looking …</Waiting>}
          {health?.options && (
            <p style={{ marginTop: "0.8rem" }} data-testid="together">
              All of that together: <code>pondera train … {health.options}</code>
            </p>
          )}
          {health && !on && health.answer.unasked.length > 0 && <p class="quiet small">Without what they look at, not asked: {health.answer.unasked.join(", ")}. {health.answer.hint}</p>}
        </Card>
      </div>
    </>
  );
}

/** Which weights the model has, where others are drawn as the last: of several networks, those of one. */
function KeptLine({ kept, network, onShow }: { kept: Kept; network: number | null; onShow: () => void }) {
  const which = kept.step === 0 ? "that of the start" : `that${kept.epoch === null ? "" : ` of epoch ${kept.epoch.toLocaleString("en")},`} after step ${kept.step.toLocaleString("en")}`;
  return (
    <div class="row" data-testid="kept">
      <p class="grow">
        {network === null ? "The model" : `Network ${network} of the model`} is {which}: the best on the rows held out. What comes after was not kept.
      </p>
      <button type="button" onClick={onShow}>
        Show that step below
      </button>
    </div>
  );
}

function CurveCards({ name, curves, metric, step, kept }: { name: string; curves: Curves | null; metric: string; step: number | null; kept: Kept | null }) {
  const epochs = curves?.epochs ?? [];
  const held = heldOut(curves);
  const { loss, scores, rates } = useMemo(() => {
    const x = epochs.map((each) => each.epoch + 1);
    const column = (field: "training_loss" | "validation_loss" | "validation_metric" | "learning_rate") => epochs.map((each) => each[field] ?? Number.NaN);
    const curve = (name: string, colour: string, field: Parameters<typeof column>[0]) => ({ name, colour, x, y: column(field) });
    return {
      loss: [curve("training", "positive", "training_loss"), ...(held.loss ? [curve("held out", "negative", "validation_loss")] : [])],
      scores: [curve(metric, "positive", "validation_metric")],
      rates: [curve("learning rate", "positive", "learning_rate")],
    };
  }, [curves, metric]);
  const norms = useMemo(() => {
    const of = (at: 0 | 1 | 2 | 3) => (curves?.norms ?? []).map((each) => each[at]);
    const [x, mean, low, high] = [of(0), of(1), of(2), of(3)];
    return { curves: [{ name: "norm", colour: "positive", x, y: mean }], band: { x, low, high } };
  }, [curves]);
  const csv = (...fields: (keyof Epoch)[]) => (): [string[], unknown[][]] => [[EPOCH, ...fields], epochs.map((each) => [each.epoch, ...fields.map((field) => each[field])])];
  const within = step === null ? undefined : epochs.find((each) => each.step >= step);
  const epoch = within ? within.epoch + 1 : null;
  return (
    <>
      <div class={held.metric ? "grid two" : "grid"}>
        <Card title="Loss" sentence={`By epoch: of the rows that are trained on${held.loss ? ", and of those held out" : "; none are held out"}. Logarithmic.`} exports={{ name: `${name}-loss`, empty: epochs.length === 0, picture: "svg", csv: csv("training_loss", ...(held.loss ? ["validation_loss" as const] : [])) }} same={curves}>
          <CurveChart scale="log" x="epoch" curves={loss} mark={epoch} kept={kept?.epoch} label="Loss by epoch" />
        </Card>
        {held.metric && <Card title={`${metric[0]?.toUpperCase()}${metric.slice(1)}`} sentence="On the rows held out, by epoch." exports={{ name: `${name}-metric`, empty: epochs.length === 0, picture: "svg", csv: csv("validation_metric") }} same={curves}>
          <CurveChart scale="linear" x="epoch" y={metric} curves={scores} mark={epoch} kept={kept?.epoch} label={`${metric} by epoch`} />
        </Card>}
      </div>
      <div class="grid two">
        <Card title="Learning rate" exports={{ name: `${name}-rate`, empty: epochs.length === 0, picture: "svg", csv: csv("learning_rate") }} same={curves}>
          <CurveChart scale="linear" x="epoch" curves={rates} mark={epoch} label="Learning rate by epoch" height={140} />
        </Card>
        <Card title="Norm of the gradients" sentence={curves?.joined ? "Of neighbouring steps the mean; the band is from the lowest to the highest." : undefined} exports={{ name: `${name}-norms`, empty: norms.band.x.length === 0, picture: "svg", csv: () => [["step", "mean", "low", "high"], curves?.norms ?? []] }} same={curves && { python: curves.norms_python }}>
          <CurveChart scale="symlog" x="step" {...norms} mark={step} label="Norm of all gradients by step" height={140} />
        </Card>
      </div>
    </>
  );
}
