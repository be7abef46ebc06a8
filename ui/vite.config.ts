import { defineConfig } from "vite";

// Built beside the pages that are there: build_ui.py puts them into the package once they are whole. Nothing is inlined, as the content-security policy lets no inline script or style run.
export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
  },
});
