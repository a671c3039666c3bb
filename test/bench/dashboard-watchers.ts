/** Dashboards in a process of their own: so many sockets that say that they have seen what they are sent. */
import { WebSocket } from "ws";
import { DASHBOARD_VERSION, WATCH_PATH } from "../../protocols/wire/dashboard.ts";
import { pack, unpack } from "../../protocols/wire/message.ts";

const { url, count } = JSON.parse(process.argv[2]) as { url: string; count: number };
let messages = 0;
for (let i = 0; i < count; i++) {
  const socket = new WebSocket(`${url.replace(/^http/, "ws").replace(/\/dashboard$/, "")}${WATCH_PATH}`);
  socket.on("error", () => {});
  socket.on("message", (data: Buffer) => {
    const message = unpack(data);
    const value = (message.ok ? message.value : {}) as { op?: string; n?: number };
    if (value.op !== "now") return;
    messages++;
    socket.send(pack({ v: DASHBOARD_VERSION, op: "seen", n: value.n }));
  });
}
process.on("message", () => process.send?.({ messages }));
process.once("disconnect", () => process.exit());
