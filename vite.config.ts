import { defineConfig } from "vite";

export default defineConfig({
  root: "stimulus-client",
  base: "./",
  build: {
    outDir: "../dist/client",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 1200,
  },
});
