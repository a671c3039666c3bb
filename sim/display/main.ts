/** The headless display as a process of its own; where it connects comes as the first message from the command that forks it. */
import { once } from "node:events";
import { bearer } from "../../protocols/wire/entry.ts";
import { describeSummary, runHeadlessDisplay } from "./headless.ts";

export interface DisplayProcessOptions {
  /** ws://host:port/display */
  url: string;
  /** What the server asks for; null: nothing. */
  token: string | null;
}

// Ctrl-C reaches the whole group of processes; the parent's letting go is what counts.
process.on("SIGINT", () => {});
const leave = () => process.exit();
if (!process.connected) leave();
process.once("disconnect", leave);
const [{ url, token }] = (await once(process, "message")) as [DisplayProcessOptions];
process.off("disconnect", leave);
try {
  const display = await runHeadlessDisplay({ url, headers: token === null ? {} : bearer(token) });
  let dismissed = false;
  for (const event of ["disconnect", "SIGTERM"])
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
