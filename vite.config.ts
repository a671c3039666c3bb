import { defineConfig } from "vite";

export default defineConfig({
  root: "stimulus-client",
  base: "./",
  build: {
    outDir: "../dist/client",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 1200,
    // What stands on the stimulus screen, what an operator looks at, and where sessions are chosen.
    rolldownOptions: {
      input: {
        display: "stimulus-client/index.html",
        dashboard: "stimulus-client/dashboard.html",
        sessions: "stimulus-client/sessions.html",
      },
    },
  },
});
