/** The headless display as a process of its own: `node dist/sim/display/main.js --url ws://127.0.0.1:8470/display`. */
import { parseArgs } from "node:util";
import { bearer } from "../../protocols/wire/entry.ts";
import { describeSummary, runHeadlessDisplay } from "./headless.ts";

const { values } = parseArgs({ options: { url: { type: "string" } } });
try {
  const token = process.env.LATENTLOOP_TOKEN;
  const headers = token === undefined ? {} : bearer(token);
  const display = await runHeadlessDisplay({ url: values.url ?? "", headers });
  let dismissed = false;
  // Ctrl-C reaches the whole group of processes; where there is a parent, its letting go is what counts.
  if (process.connected) process.on("SIGINT", () => {});
  for (const event of ["disconnect", "SIGTERM", ...(process.connected ? [] : ["SIGINT"])])
    process.once(event, () => {
      dismissed = true;
      display.dispose();
    });
  const reason = await display.closed;
  // Whoever ends it knows; what ends it from the other side is worth a word.
  if (!dismissed) process.stderr.write(`display: ${reason}; ${describeSummary(display.summary)}\n`);
} catch (error) {
  process.stderr.write(`display: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
// The channel to a parent would keep the process alive.
if (process.connected) process.disconnect();
