import { render as draw } from "preact";
import { type Explanation, Importance, Methods, Reliability } from "../parts/importance";
import { type Model, useTrait } from "./model";
import { NetworkWidget } from "./network";
import { shadowIn } from "./shadow";

/** How far to believe it, what matters, and methods side by side: the cards of the page Explain. */
function ImportanceWidget({ model }: { model: Model }) {
  const [found] = useTrait<Explanation>(model, "content");
  const [chosen, choose] = useTrait<string>(model, "chosen");
  return (
    <div class="stack">
      <Reliability found={found} />
      <Importance found={found} chosen={chosen} onChoose={choose} />
      <Methods found={found} />
    </div>
  );
}

const VIEWS = { network: NetworkWidget, importance: ImportanceWidget };

/** Draw a widget into an element, as anywidget asks for it; what is returned takes it away again. */
function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const View = VIEWS[model.get("view") as keyof typeof VIEWS];
  const { place, close } = shadowIn(el);
  draw(<View model={model} />, place);
  return () => {
    draw(null, place);
    close();
  };
}

export default { render };
