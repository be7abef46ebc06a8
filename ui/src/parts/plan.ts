import { type Misfit, misfitting } from "../api";
import { to } from "../route";

/** Where rows come from: a table of the folder, or an example; the other one is empty. */
export interface Source {
  table: string;
  example: string;
}

export interface Column {
  name: string;
  kind: string;
  missing: number;
  different: number | null;
  values: unknown[];
  task: "classification" | "regression" | null;
  /** Why nothing can be predicted from it; null where it can. */
  problem: string | null;
}

export interface Table {
  rows: number;
  columns: Column[];
  target: string;
  description: string;
}

/** A training as the form has it: texts of fields, empty where the recipe decides. */
export interface Plan {
  run: string;
  target: string;
  task: string;
  /** What columns are taken as, where somebody said something else than was guessed. */
  roles: Record<string, string>;
  recipe: string;
  hidden: string;
  activation: string;
  epochs: string;
  batch: string;
  rate: string;
  test: string;
  share: string;
  seeds: string;
  seed: string;
  record: string;
}

/** What the fields of the form are called. */
export const LABELS: Record<Exclude<keyof Plan, "roles">, string> = {
  run: "Name of the run",
  target: "Column to predict",
  task: "As",
  recipe: "Recipe",
  hidden: "Hidden layers",
  activation: "Activation",
  epochs: "Epochs",
  batch: "Rows a step",
  rate: "Learning rate",
  test: "Tested on",
  share: "Share to test on",
  seeds: "Networks, averaged",
  seed: "Seed",
  record: "Record",
};

/** Fields that the server has other names for. */
const FIELDS: Record<string, keyof typeof LABELS> = { batch_size: "batch", learning_rate: "rate", test_fraction: "share" };

/** Why a column cannot be taken, in words of the form: what a command line takes for it is another. */
export function onForm(problem: string): string {
  return problem.replace(/(D|Or d)rop it \(--drop .*\)(?=, or derive)/, (_, begin: string) => (begin === "D" ? "Leave it out" : "Or leave it out"));
}

export const LEFT_OUT = "left out";
export const TARGET = "target";

/** A network of no more weights is recorded closely unless something else is chosen: it costs little, and moves more. */
const SMALL = 5000;

/** What the form begins with. */
export function planOf(table: Table, run: string): Plan {
  const roles = Object.fromEntries(table.columns.filter((each) => each.problem).map((each) => [each.name, LEFT_OUT]));
  return { run, target: table.target, task: "", roles, recipe: "strong", hidden: "", activation: "", epochs: "", batch: "", rate: "", test: "", share: "0.2", seeds: "1", seed: "0", record: "" };
}

/** Of a training as the form has it what the address keeps: all that is not as it began, but for the name, which the next one cannot have. */
export function kept(plan: Plan, table: Table): Record<string, string> {
  const { run, roles, ...begun } = planOf(table, plan.run);
  const changed = Object.keys(begun).filter((name): name is keyof typeof begun => plan[name as keyof typeof begun] !== begun[name as keyof typeof begun]);
  const others = Object.entries(plan.roles).filter(([name, role]) => role !== roles[name]);
  return { ...Object.fromEntries(changed.map((name) => [name, plan[name]])), ...(others.length ? { roles: JSON.stringify(Object.fromEntries(others)) } : {}) };
}

/** What the form begins with, and what the address kept of it. */
export function restored(table: Table, run: string, query: URLSearchParams): Plan {
  const { roles, ...begun } = planOf(table, run);
  const known = (name: string) => table.columns.some((each) => each.name === name);
  const given = Object.keys(begun).filter((name) => name !== "run" && query.has(name) && (name !== "target" || known(query.get(name) ?? "")));
  return { ...begun, ...Object.fromEntries(given.map((name) => [name, query.get(name) ?? ""])), roles: { ...roles, ...rolesIn(query.get("roles")) } };
}

function rolesIn(text: string | null): Record<string, string> {
  try {
    return JSON.parse(text ?? "{}") as Record<string, string>;
  } catch {
    return {}; // an address that somebody changed
  }
}

export function roleOf(plan: Plan, column: Column): string {
  return column.name === plan.target ? TARGET : (plan.roles[column.name] ?? column.kind);
}

/** What the recipe decides where fields are empty. */
export function usual(plan: Plan, table: Table): { hidden: string; activation: string; epochs: string; batch: string; rate: string } {
  if (plan.recipe === "plain") return { hidden: "128, 128", activation: "relu", epochs: "200", batch: "32", rate: "0.001" };
  const task = plan.task || table.columns.find((each) => each.name === plan.target)?.task;
  return { hidden: "256, 256, 256", activation: task === "classification" ? "selu" : "mish", epochs: "256", batch: "256", rate: "the recipe's" };
}

/** Whether it is small enough to be recorded closely. */
export function isSmall(plan: Plan, table: Table): boolean {
  const sizes = [table.columns.length, ...wholes(plan.hidden || usual(plan, table).hidden), 1];
  return sizes.slice(1).reduce((sum, size, k) => sum + size * (sizes[k] ?? 0), 0) <= SMALL;
}

/** What the server is asked to train. */
export function wanted(plan: Plan, table: Table, source: Source): Record<string, unknown> {
  const of = (role: string) => table.columns.filter((each) => roleOf(plan, each) === role).map((each) => each.name);
  const { run, target, task, recipe, activation, test } = plan;
  return {
    ...{ run, ...source, target, task, recipe, activation },
    hidden: wholes(plan.hidden),
    epochs: number(plan.epochs),
    batch_size: number(plan.batch),
    learning_rate: number(plan.rate),
    ...(test ? { test } : { test_fraction: number(plan.share) }),
    seeds: number(plan.seeds) ?? 1,
    seed: number(plan.seed) ?? 0,
    drop: of(LEFT_OUT),
    categorical: of("categories"),
    record: plan.record || (isSmall(plan, table) ? "full" : "default"),
  };
}

/** Keep the address of the form that a run was begun from, for this tab. */
export function rememberForm(run: string): void {
  sessionStorage.setItem(`form of ${run}`, location.hash);
}

/** The form that a run was begun from, as it was where that is known. */
export function formOf(run: string): string {
  return sessionStorage.getItem(`form of ${run}`) ?? to("train");
}

/** What the server does not take, by the label of the field and as it was typed. */
export function refused(misfit: Misfit, plan: Plan): string {
  const [first = ""] = misfit.field.split(".");
  const name = FIELDS[first] ?? first;
  if (!(name in LABELS)) return misfitting(misfit);
  const own = name as keyof typeof LABELS;
  return misfitting({ ...misfit, field: LABELS[own], got: plan[own] || null });
}

/** A name for its run. */
export function suggested(source: Source): string {
  const name = source.example || source.table.split("/").at(-1)?.replace(/\.[a-z]+$/i, "") || "run";
  return `${name}-model`;
}

/** A name that no run has: that, or one of the next number. */
export function free(name: string, taken: Set<string>): string {
  let found = name;
  for (let number = 2; taken.has(found); number++) found = `${name}-${number}`;
  return found;
}

function number(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}

function wholes(text: string): number[] {
  return text.split(",").map((part) => part.trim()).filter(Boolean).map(Number);
}
