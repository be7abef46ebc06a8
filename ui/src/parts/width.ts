import { type RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** The width of a picture in pixels as it is shown, so that letters keep their size on narrow screens. */
export function useWidth(first: number): [RefObject<SVGSVGElement | null>, number] {
  const place = useRef<SVGSVGElement>(null);
  const [width, set] = useState(first);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const sized = new ResizeObserver(() => set(Math.max(element.getBoundingClientRect().width, 120)));
    sized.observe(element);
    return () => sized.disconnect();
  }, []);
  return [place, width];
}
