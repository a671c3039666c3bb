import { defineConfig } from "vite";

export default defineConfig({
  root: "stimulus-client",
  base: "./",
  build: {
    outDir: "../dist/client",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 1200,
    // Two pages: what stands on the stimulus screen, and what an operator looks at.
    rolldownOptions: { input: { display: "stimulus-client/index.html", dashboard: "stimulus-client/dashboard.html" } },
  },
});
