/** The headless display as a process of its own: `node dist/sim/display/main.js --url ws://127.0.0.1:8470/display`. */
import { parseArgs } from "node:util";
import { describeSummary, runHeadlessDisplay } from "./headless.ts";

const { values } = parseArgs({ options: { url: { type: "string" } } });
try {
  const display = await runHeadlessDisplay({ url: values.url ?? "" });
  for (const event of ["disconnect", "SIGTERM", "SIGINT"]) process.once(event, () => void display.dispose());
  const reason = await display.closed;
  process.stderr.write(`display: ${reason}; ${describeSummary(display.summary)}\n`);
} catch (error) {
  process.stderr.write(`display: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
// The channel to a parent would keep the process alive.
if (process.connected) process.disconnect();
