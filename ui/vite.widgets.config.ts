import { defineConfig } from "vite";

// The widgets of notebooks: one module beside the pages, with its style sheets in it, which fetches nothing.
export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: false,
    lib: { entry: "src/widgets/main.tsx", formats: ["es"], fileName: () => "widgets.js" },
  },
});
