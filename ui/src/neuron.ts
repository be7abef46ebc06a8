/** One neuron's arithmetic, as `pondera neuron` does it: sums are correctly rounded, so that 5·0.7 + 2·0.3 + 1 is 5.1. */

export interface Activation {
  value: (sum: number) => number;
  slope: (sum: number) => number;
  formula: string;
}

const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const SCALE = 1.0507009873554805;
const ALPHA = 1.6732632423543772;

/** The error function's complement, to about 1e-15 (W. J. Cody's would be longer; this is a continued fraction and a series). */
function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 80; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let tail = 0;
  for (let n = 60; n > 0; n--) tail = n / 2 / (x + tail);
  return Math.exp(-x * x) / ((x + tail) * Math.sqrt(Math.PI));
}
const normal = (x: number) => 0.5 * erfc(-x * Math.SQRT1_2);

export const ACTIVATIONS: Record<string, Activation> = {
  identity: { value: (x) => x, slope: () => 1, formula: "s" },
  relu: { value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0), formula: "max(s, 0)" },
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2, formula: "tanh(s)" },
  sigmoid: { value: sigmoid, slope: (x) => sigmoid(x) * (1 - sigmoid(x)), formula: "1 / (1 + e^−s)" },
  softplus: { value: softplus, slope: sigmoid, formula: "log(1 + e^s)" },
  leaky_relu: { value: (x) => (x > 0 ? x : 0.01 * x), slope: (x) => (x > 0 ? 1 : 0.01), formula: "s > 0 ? s : 0.01 s" },
  selu: {
    value: (x) => SCALE * (x > 0 ? x : ALPHA * Math.expm1(x)),
    slope: (x) => SCALE * (x > 0 ? 1 : ALPHA * Math.exp(x)),
    formula: "1.0507 · (s > 0 ? s : 1.6733 (e^s − 1))",
  },
  gelu: {
    value: (x) => x * normal(x),
    slope: (x) => normal(x) + x * Math.exp(-0.5 * x * x) * 0.3989422804014327,
    formula: "s · Φ(s)",
  },
  mish: {
    value: (x) => x * Math.tanh(softplus(x)),
    slope: (x) => Math.tanh(softplus(x)) + x * (1 - Math.tanh(softplus(x)) ** 2) * sigmoid(x),
    formula: "s · tanh(log(1 + e^s))",
  },
};

/** Sum numbers as if nothing were rounded until the parts of the sum, which do not overlap, are added up (Shewchuk 1997). */
export function exactSum(values: readonly number[]): number {
  const parts: number[] = [];
  for (const value of values) {
    let x = value;
    let kept = 0;
    for (const part of parts) {
      let y = part;
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y;
      const low = y - (high - x);
      if (low !== 0) parts[kept++] = low;
      x = high;
    }
    parts.length = kept;
    parts.push(x);
  }
  return parts.reduceRight((sum, part) => sum + part, 0);
}

export interface Neuron {
  inputs: number[];
  weights: number[];
  bias: number;
  activation: string;
}

export interface Forward {
  contributions: number[];
  sum: number;
  output: number;
  slope: number;
}

export function forward(neuron: Neuron): Forward {
  const activation = ACTIVATIONS[neuron.activation] ?? (ACTIVATIONS["identity"] as Activation);
  const contributions = neuron.inputs.map((x, at) => x * (neuron.weights[at] ?? 0));
  const sum = exactSum([...contributions, neuron.bias]);
  return { contributions, sum, output: activation.value(sum), slope: activation.slope(sum) };
}

/** Whether every number of it is one that 64 bits hold; they end at about 1.8e308. */
export function holds({ contributions, sum, output }: Forward): boolean {
  return [...contributions, sum, output].every(Number.isFinite);
}

export interface Step {
  before: Neuron;
  forward: Forward;
  target: number;
  rate: number;
  loss: number;
  /** dL/doutput, and dL/dsum */
  error: number;
  signal: number;
  gradients: number[];
  after: Neuron;
  lossAfter: number;
}

/** One step of gradient descent on the loss (output − target)², with everything that is in between. */
export function descend(before: Neuron, target: number, rate: number): Step {
  const now = forward(before);
  const error = 2 * (now.output - target);
  const signal = error * now.slope;
  const gradients = before.inputs.map((x) => signal * x);
  const after: Neuron = {
    ...before,
    weights: before.weights.map((weight, at) => weight - rate * (gradients[at] ?? 0)),
    bias: before.bias - rate * signal,
  };
  return { before, forward: now, target, rate, loss: (now.output - target) ** 2, error, signal, gradients, after, lossAfter: (forward(after).output - target) ** 2 };
}

/** Whether a step can be taken: nothing in it overflows. */
export function canBeTaken(step: Step): boolean {
  return holds(step.forward) && [step.loss, step.signal, ...step.gradients, ...step.after.weights, step.after.bias, step.lossAfter].every(Number.isFinite);
}
