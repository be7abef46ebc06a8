import { useEffect, useState } from "preact/hooks";

/** What anywidget hands to a widget: the traits of the Python object, and a way to be told of their changes. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, call: () => void): void;
  off(event: string, call: () => void): void;
}

/** A trait, and what changes it, here and in Python. */
export function useTrait<T>(model: Model, name: string): [T, (value: T) => void] {
  const [value, set] = useState(() => model.get(name) as T);
  useEffect(() => {
    const changed = () => set(model.get(name) as T);
    model.on(`change:${name}`, changed);
    changed(); // what changed between the first drawing and now was not told
    return () => model.off(`change:${name}`, changed);
  }, [model, name]);
  return [
    value,
    (next) => {
      if (Object.is(model.get(name), next)) return;
      model.set(name, next);
      model.save_changes();
      set(next);
    },
  ];
}

/** The numbers in a trait of bytes, float32. */
export function floats(value: unknown): Float32Array {
  if (!(value instanceof DataView)) return new Float32Array();
  return new Float32Array(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
}
