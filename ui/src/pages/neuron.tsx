import { useMemo, useState } from "preact/hooks";
import { number, shell, text } from "../commands";
import { figure, signed } from "../format";
import { ACTIVATIONS, canBeTaken, descend, forward, holds, type Neuron, type Step } from "../neuron";
import { Card, Lead, NumberField, ProblemLine, Slider } from "../parts/common";
import { ActivationCurve, Contributions, curveOf, drawable, Plane, restOf, TooLarge } from "../parts/neuron-pictures";

const EXAMPLE: Neuron = { inputs: [5, 2], weights: [0.7, 0.3], bias: 1, activation: "identity" };
const MOST_INPUTS = 6;

/** One neuron, with nothing hidden. */
export function NeuronPage() {
  const [neuron, set] = useState<Neuron>(EXAMPLE);
  const [target, setTarget] = useState(4);
  const [rate, setRate] = useState(0.01);
  const [steps, setSteps] = useState<Step[]>([]);
  const now = useMemo(() => forward(neuron), [neuron]);
  const change = (part: Partial<Neuron>) => {
    set({ ...neuron, ...part });
    setSteps([]);
  };
  const replaced = (values: number[], at: number, value: number) => values.map((old, k) => (k === at ? value : old));
  const held = holds(now);
  const drawn = drawable(neuron, now);
  const next = descend(neuron, target, rate);
  const upwards = rate < 0;
  const stuck = upwards || !canBeTaken(next);
  const take = (count: number) => {
    const taken: Step[] = [];
    let from = neuron;
    for (let k = 0; k < count; k++) {
      const step = descend(from, target, rate);
      if (!canBeTaken(step)) break;
      taken.push(step);
      from = step.after;
    }
    set(from);
    setSteps([...steps, ...taken]);
  };
  const back = () => {
    const last = steps.at(-1);
    if (!last) return;
    set(last.before);
    setSteps(steps.slice(0, -1));
  };
  return (
    <>
      <Lead title="A neuron" name="neuron">
        It multiplies every input by a weight, adds them up and adds a bias. Networks are nothing but many of these.
      </Lead>
      <div class="stack">
        <Card
          title="The arithmetic"
          same={{ command: typed(neuron), python: pasted(neuron) }}
          exports={{ name: "neuron", empty: !held, json: () => ({ ...neuron, ...now }), csv: () => [["input", "weight", "contribution"], neuron.inputs.map((x, k) => [x, neuron.weights[k], now.contributions[k]])] }}
        >
          <Formula neuron={neuron} sum={now.sum} output={now.output} held={held} />
          {[...neuron.inputs, ...neuron.weights, neuron.bias].some(isRounded) && <p class="quiet small">Long numbers are rounded here; all digits that are used stand in the fields.</p>}
          {!held && <ProblemLine>It overflows: a sum beyond 1.8e308 is more than the 64 bits of a number hold. Choose smaller inputs or weights.</ProblemLine>}
        </Card>
        <div class="grid side">
          <Card
            title="Inputs and weights"
            right={
              <button type="button" class="plain" onClick={() => change(EXAMPLE)}>
                Reset
              </button>
            }
          >
            <div class="stack">
              {neuron.inputs.map((input, at) => (
                <div class="stack" style={{ gap: "0.25rem" }} key={at}>
                  <Slider name={`input ${at + 1}`} label={<>input {at + 1}</>} value={input} low={-10} high={10} step={0.1} onChange={(value) => change({ inputs: replaced(neuron.inputs, at, value) })} />
                  <Slider name={`weight ${at + 1}`} label={<b>weight {at + 1}</b>} value={neuron.weights[at] ?? 0} low={-3} high={3} step={0.01} onChange={(value) => change({ weights: replaced(neuron.weights, at, value) })} />
                </div>
              ))}
              <Slider name="bias" label={<b>bias</b>} value={neuron.bias} low={-10} high={10} step={0.1} onChange={(value) => change({ bias: value })} />
              <div class="row spread">
                <span class="row">
                  <button type="button" disabled={neuron.inputs.length >= MOST_INPUTS} onClick={() => change({ inputs: [...neuron.inputs, 1], weights: [...neuron.weights, 0.5] })}>
                    Add an input
                  </button>
                  <button type="button" disabled={neuron.inputs.length < 2} onClick={() => change({ inputs: neuron.inputs.slice(0, -1), weights: neuron.weights.slice(0, -1) })}>
                    Remove
                  </button>
                </span>
              </div>
              <label class="field">
                Activation: what is made of the sum
                <select value={neuron.activation} onChange={(event) => change({ activation: event.currentTarget.value })}>
                  {Object.entries(ACTIVATIONS).map(([name, each]) => (
                    <option key={name} value={name}>
                      {name}: {each.formula}
                    </option>
                  ))}
                </select>
              </label>
            </div>
          </Card>
          <Card title="What each input contributes" sentence="Input times weight, one after the other; together with the bias they are the sum." same={drawn ? { command: typed(neuron), python: explained(neuron) } : null} exports={{ name: "contributions", picture: "svg", empty: !drawn, csv: () => [["part", "contribution"], [...now.contributions.map((value, k) => [`input ${k + 1}`, value]), ["bias", neuron.bias], ["sum", now.sum]]] }}>
            {drawn ? <Contributions neuron={neuron} now={now} /> : <TooLarge />}
          </Card>
        </div>
        <div class="grid two">
          <Card title="The activation" sentence={`${neuron.activation}(s) = ${ACTIVATIONS[neuron.activation]?.formula}. Its slope at the sum is what errors are multiplied by on their way back${held ? `: ${figure(now.slope)}` : ""}.`} same={drawn ? { python: sampled(neuron.activation, now.sum) } : null} exports={{ name: "activation", picture: "svg", empty: !drawn, csv: () => [["sum", "output"], curveOf(neuron.activation, now.sum)] }}>
            {drawn ? <ActivationCurve activation={neuron.activation} sum={now.sum} /> : <TooLarge />}
          </Card>
          <Card title="The neuron as a line in the plane" sentence="Where the sum is 0. On one side it is above, on the other below; the weights point from one to the other, and the bias moves the line." same={drawn && neuron.inputs.length > 1 ? { python: inPlane(neuron) } : null} exports={{ name: "plane", picture: "svg", empty: neuron.inputs.length < 2 || !drawn, csv: () => [["weight 1", "weight 2", "the rest", "input 1", "input 2"], [[...neuron.weights.slice(0, 2), restOf(neuron), ...neuron.inputs.slice(0, 2)]]] }}>
            {drawn ? <Plane neuron={neuron} /> : <TooLarge />}
          </Card>
        </div>
        <Card
          title="One step of gradient descent"
          sentence="The loss is how far the output is from where it should be, squared. Each weight moves against its share of it."
          same={steps.length > 0 || !stuck ? { python: gradients(steps.at(-1) ?? next) } : null}
          exports={{
            name: "gradient-descent",
            empty: steps.length === 0,
            json: () => steps,
            csv: () => [["step", "loss", "output", ...neuron.weights.map((_, k) => `weight ${k + 1}`), "bias"], steps.map((step, k) => [k + 1, step.lossAfter, forward(step.after).output, ...step.after.weights, step.after.bias])],
          }}
        >
          <div class="stack">
            <div class="row">
              <label class="field">
                Right answer
                <NumberField step="any" value={target} onGive={setTarget} />
              </label>
              <label class="field">
                Learning rate
                <NumberField step="any" value={rate} onGive={setRate} aria-invalid={upwards} />
              </label>
              <span style={{ alignSelf: "end" }} class="row">
                <button type="button" class="primary" disabled={stuck} onClick={() => take(1)}>
                  Take a step
                </button>
                <button type="button" disabled={stuck} onClick={() => take(10)}>
                  10 steps
                </button>
                <button type="button" disabled={steps.length === 0} onClick={back}>
                  Back
                </button>
              </span>
            </div>
            {upwards && <ProblemLine>A learning rate is 0 or more: below 0, steps go uphill and the loss grows. Choose one such as 0.01.</ProblemLine>}
            {!upwards && stuck && held && <ProblemLine>The next step overflows: its numbers are beyond 1.8e308, more than 64 bits hold. Choose a smaller learning rate, or go back.</ProblemLine>}
            {steps.length > 0 ? <Arithmetic step={steps.at(-1) as Step} taken={steps.length} /> : !stuck && <Arithmetic step={next} taken={0} />}
          </div>
        </Card>
      </div>
    </>
  );
}

/** The command that does the same. */
function typed(neuron: Neuron): string {
  const list = (values: number[]) => values.map((value) => number(value)).join(",");
  const activation = neuron.activation === "identity" ? [] : [`--activation=${neuron.activation}`];
  return shell("pondera", "neuron", `--inputs=${list(neuron.inputs)}`, `--weights=${list(neuron.weights)}`, `--bias=${number(neuron.bias)}`, ...activation);
}

function list(values: readonly number[]): string {
  return `[${values.map((value) => number(value)).join(", ")}]`;
}

function constructed({ weights, bias, activation }: Omit<Neuron, "inputs">): string {
  return `pondera.Neuron(${list(weights)}, bias=${number(bias)}${activation === "identity" ? "" : `, activation=${text(activation)}`})`;
}

function pasted(neuron: Neuron): string {
  return `${constructed(neuron)}(${list(neuron.inputs)})`;
}

function explained(neuron: Neuron): string {
  return `${constructed(neuron)}.explain(${list(neuron.inputs)}).contributions`;
}

/** The activation at some places of its curve. */
function sampled(activation: string, sum: number): string {
  const places = curveOf(activation, sum).filter((_, k) => k % 25 === 0);
  return `${constructed({ weights: [1], bias: 0, activation })}([${places.map(([place]) => list([place])).join(", ")}])`;
}

/** The sum at some places of the plane, with all other inputs as they are. */
function inPlane(neuron: Neuron): string {
  const line = constructed({ weights: neuron.weights.slice(0, 2), bias: restOf(neuron), activation: "identity" });
  return `${line}([[first, second] for first in range(-6, 7) for second in range(-6, 7)])`;
}

/** The gradients of a step: of its weights, and of the bias as the last; with 64 bits, as the page computes them. */
function gradients({ before, target }: Step): string {
  const loss = `(activation(${text(before.activation)})(v[:-1] @ jax.numpy.array(${list(before.inputs)}, float) + v[-1]) - ${target < 0 ? `(${number(target)})` : number(target)}) ** 2`;
  return `import jax; jax.config.update("jax_enable_x64", True); from pondera.network.activations import activation; jax.grad(lambda v: ${loss})(jax.numpy.array(${list([...before.weights, before.bias])}, float))`;
}

/** A number within arithmetic: what has a sign stands in brackets, where another sign or a dot is before it. */
function within(value: number, digits: number): string {
  return value < 0 ? `(${figure(value, digits)})` : figure(value, digits);
}

/** Digits of a number in the formula. */
const DIGITS = 6;

/** Whether the formula shows a number with fewer digits than its field. */
function isRounded(value: number): boolean {
  return Number(figure(value, DIGITS).replaceAll(",", "").replaceAll("−", "-")) !== Number(number(value));
}

function Formula({ neuron, sum, output, held }: { neuron: Neuron; sum: number; output: number; held: boolean }) {
  const plain = neuron.activation === "identity" || !held;
  const told = held ? figure(output, DIGITS) : "too large";
  return (
    <p class="formula" data-testid="formula">
      {neuron.inputs.map((x, at) => (
        <span key={at}>
          {at > 0 && " + "}
          {at > 0 ? within(x, DIGITS) : figure(x, DIGITS)} · <b class={(neuron.weights[at] ?? 0) < 0 ? "negative" : "positive"}>{within(neuron.weights[at] ?? 0, DIGITS)}</b>
        </span>
      ))}
      {neuron.bias < 0 ? " − " : " + "}
      {figure(Math.abs(neuron.bias), DIGITS)} = {plain ? <b class="equals" data-testid="output">{told}</b> : figure(sum, DIGITS)}
      {!plain && (
        <>
          {", and "}
          {neuron.activation}({figure(sum, DIGITS)}) = <b class="equals" data-testid="output">{told}</b>
        </>
      )}
    </p>
  );
}

/** A step written out, line by line: the last that was taken, or the one that would be. */
function Arithmetic({ step, taken }: { step: Step; taken: number }) {
  const f = (value: number) => figure(value, 5);
  const around = (value: number) => within(value, 5);
  const { before, after, forward: now } = step;
  const lines: [string, string, string][] = [
    ["output", `${before.activation === "identity" ? "" : `${before.activation}(`}${before.inputs.map((x, k) => `${k > 0 ? around(x) : f(x)} · ${around(before.weights[k] ?? 0)}`).join(" + ")} + ${around(before.bias)}${before.activation === "identity" ? "" : ")"}`, f(now.output)],
    ["loss", `(${f(now.output)} − ${around(step.target)})²`, f(step.loss)],
    ["its slope in the output", `2 · (${f(now.output)} − ${around(step.target)})`, f(step.error)],
    ["signal: its slope in the sum", `${f(step.error)} · ${around(now.slope)}`, f(step.signal)],
    ...before.weights.flatMap((weight, k): [string, string, string][] => [
      [`gradient of weight ${k + 1}`, `signal · input = ${f(step.signal)} · ${around(before.inputs[k] ?? 0)}`, f(step.gradients[k] ?? 0)],
      [`weight ${k + 1}`, `${f(weight)} − ${f(step.rate)} · ${around(step.gradients[k] ?? 0)}`, f(after.weights[k] ?? 0)],
    ]),
    ["bias", `${f(before.bias)} − ${f(step.rate)} · ${around(step.signal)}`, f(after.bias)],
    ["loss afterwards", `changed by ${signed(step.lossAfter - step.loss)}`, f(step.lossAfter)],
  ];
  return (
    <div class="scroll">
      <p class="quiet small" style={{ marginBottom: "0.4rem" }} aria-live="polite">
        {taken === 0 ? "The step that would be taken:" : `Step ${taken}, which was taken:`}
      </p>
      <table class="arithmetic" data-testid="arithmetic">
        <tbody>
          {lines.map(([what, how, value]) => (
            <tr key={what}>
              <td>{what}</td>
              <td>{how}</td>
              <td class="number">
                <b>{value}</b>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
