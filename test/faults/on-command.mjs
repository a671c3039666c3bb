/** A worker of the session with one more message: { block: true }, after which its thread never comes back. */
import { parentPort, workerData } from "node:worker_threads";

await import(workerData.module);
parentPort.on("message", (message) => {
  if (message.block) for (;;);
});
