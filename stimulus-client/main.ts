/** The display page: measures its frames, opens its canvas, keeps a connection to the server that served it. */
import { DISPLAY_PATH, DISPLAY_VERSION, encodeDisplayMessage } from "../protocols/wire/display.ts";
import { type Canvas, openCanvas } from "./canvas.ts";
import { type DisplaySession, openDisplaySession } from "./display-session.ts";
import { measureFrameMs } from "./frame-interval.ts";
import { dress, showNotice, showReadout } from "./page.ts";
import type { Picture } from "./schedule.ts";
import { readoutWords, words } from "./words.ts";

const RECONNECT_MS = 1000;

async function main(): Promise<void> {
  document.addEventListener("keydown", ({ key }) => {
    if (key === "f") document.documentElement.requestFullscreen();
  });
  showNotice(words.measuring);
  let canvas: Canvas;
  try {
    canvas = await openCanvas(document.querySelector<HTMLElement>("#screen")!);
  } catch (error) {
    return showNotice(words.noWebGl((error as Error).message));
  }
  const frameMs = await measureFrameMs();

  let session: DisplaySession | null = null;
  let picture: Picture = { face: null, patch: false };
  const onFrame = () => {
    const displayMs = performance.now();
    if (session !== null) picture = session.frame(displayMs);
    canvas.draw(picture);
    requestAnimationFrame(onFrame);
  };
  requestAnimationFrame(onFrame);

  let afterClose = words.lost(location.host);
  let refused = false;
  const connect = () => {
    const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}${DISPLAY_PATH}`);
    socket.binaryType = "arraybuffer";
    const send = (message: Parameters<typeof encodeDisplayMessage>[0]) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(encodeDisplayMessage(message) as Uint8Array<ArrayBuffer>);
    };
    const opened = openDisplaySession({
      frameMs,
      patch: picture.patch,
      send,
      screen: {
        upload: canvas.upload,
        release: canvas.release,
        welcome(message) {
          session = opened;
          afterClose = words.lost(location.host);
          canvas.configure(message);
          dress(message);
          showNotice("");
          showReadout(words.connected(frameMs));
        },
        readout: (message) => showReadout(readoutWords(message)),
        refused({ message }) {
          refused = true;
          showNotice(words.refused(message));
        },
        bye: ({ message }) => {
          afterClose = words.ended(message);
        },
      },
    });
    socket.onopen = () => send({ op: "hello", v: DISPLAY_VERSION, agent: navigator.userAgent, frameMs });
    socket.onmessage = ({ data }) => opened.receive(new Uint8Array(data));
    socket.onclose = () => {
      session = null;
      // The patch stays as it is: a change would look like an onset.
      picture = { face: null, patch: picture.patch };
      canvas.draw(picture);
      canvas.releaseAll();
      showReadout("");
      if (refused) return;
      showNotice(afterClose);
      setTimeout(connect, RECONNECT_MS);
    };
  };
  showNotice(words.connecting(location.host));
  connect();
}

main();
