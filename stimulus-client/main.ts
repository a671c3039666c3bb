/** The display page: measures its frames, opens its canvas, keeps a connection to the server that served it. */
import { DISPLAY_PATH, DISPLAY_VERSION, type DisplayMessage, encodeDisplayMessage } from "../protocols/wire/display.ts";
import { hideCalibration, toggleCalibration } from "./calibration.ts";
import { type Canvas, openCanvas } from "./canvas.ts";
import { type DisplaySession, openDisplaySession, type Welcome } from "./display-session.ts";
import { enter } from "./entry.ts";
import { measureRefresh } from "./frame-interval.ts";
import { keepShown, lastShown } from "./last-shown.ts";
import { degreesOf, faceBox } from "./layout.ts";
import { dress, showNotice, showReadout } from "./page.ts";
import { initRefreshWatch, stepRefreshWatch } from "./refresh-watch.ts";
import type { Picture } from "./schedule.ts";
import { keepAwake } from "./wake-lock.ts";
import { readoutWords, words } from "./words.ts";

const RECONNECT_MS = 1000;
/** A second press of q within this time ends the session. */
const ABORT_WITHIN_MS = 2000;
/** This page, for as long as it stays loaded. */
const page = crypto.getRandomValues(new Uint32Array(4)).join("-");
const isMirror = new URLSearchParams(location.search).has("mirror");

async function main(): Promise<void> {
  showNotice(words.measuring);
  let canvas: Canvas;
  try {
    canvas = await openCanvas(document.querySelector<HTMLElement>("#screen")!);
  } catch (error) {
    return showNotice(words.noWebGl((error as Error).message));
  }
  let refresh = await measureRefresh();
  let watch = initRefreshWatch(refresh.frameMs);
  void keepAwake(() => showReadout(words.mayBlank));

  let session: DisplaySession | null = null;
  let welcome: Welcome | null = null;
  let paused = false;
  let send: (message: DisplayMessage) => void = () => {};
  let picture: Picture = { face: null, patch: false, code: 0 };
  const onFrame = () => {
    const displayMs = performance.now();
    const [next, finding] = stepRefreshWatch(watch, displayMs);
    watch = next;
    if (finding !== null) {
      refresh = finding;
      session?.rate(finding.frameMs);
      send({ op: "refresh", ...finding });
    }
    if (session !== null) picture = session.frame(displayMs);
    canvas.draw(picture);
    requestAnimationFrame(onFrame);
  };
  requestAnimationFrame(onFrame);

  const tellGeometry = () => {
    if (welcome === null) return;
    const { placement, faceFraction } = welcome;
    const screen = canvas.size();
    const box = faceBox(welcome, screen, faceFraction, placement);
    const facePx = Math.max(box.width, box.height);
    const faceDeg = placement && degreesOf(facePx, placement, screen);
    send({ op: "geometry", widthPx: screen.width, heightPx: screen.height, facePx, faceDeg });
  };
  canvas.onResize = tellGeometry;
  const tellVisibility = () => send({ op: "visibility", visible: document.visibilityState === "visible" });
  document.addEventListener("visibilitychange", () => {
    // Frames begin anew: the pause between them is none of the screen's intervals.
    watch = initRefreshWatch(refresh.frameMs);
    tellVisibility();
  });

  let abortAskedMs = Number.NEGATIVE_INFINITY;
  const keys: Record<string, () => void> = {
    f: () => void document.documentElement.requestFullscreen(),
    p: () => send({ op: "command", command: paused ? "resume" : "pause" }),
    q() {
      const nowMs = performance.now();
      if (nowMs - abortAskedMs < ABORT_WITHIN_MS) return send({ op: "command", command: "abort" });
      abortAskedMs = nowMs;
      showReadout(words.abortOnce);
    },
    t: () => session?.patchTest(),
    c: () => {
      if (picture.face === null) toggleCalibration(welcome, canvas.size());
    },
  };
  document.addEventListener("keydown", ({ key, repeat }) => {
    if (!repeat) keys[key]?.();
  });

  let afterClose = words.lost(location.host);
  let refused = false;
  const connect = async () => {
    const unwelcome = await enter();
    if (unwelcome !== null) {
      showNotice(words.refused(unwelcome));
      setTimeout(connect, RECONNECT_MS);
      return;
    }
    const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}${DISPLAY_PATH}`);
    socket.binaryType = "arraybuffer";
    const sendHere = (message: DisplayMessage) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(encodeDisplayMessage(message) as Uint8Array<ArrayBuffer>);
    };
    let sessionId = "";
    const opened = openDisplaySession({
      frameMs: refresh.frameMs,
      patches: picture,
      send: sendHere,
      screen: {
        upload: canvas.upload,
        release: canvas.release,
        welcome(message) {
          session = opened;
          welcome = message;
          sessionId = message.sessionId;
          send = sendHere;
          afterClose = words.lost(location.host);
          canvas.configure(message);
          dress(message);
          hideCalibration();
          showNotice("");
          tellGeometry();
          tellVisibility();
          showReadout(isMirror ? words.mirror : words.connected(refresh.frameMs));
        },
        shown(report) {
          hideCalibration();
          if (!isMirror) keepShown(sessionId, report);
        },
        readout(message) {
          paused = message.state === "paused";
          showReadout(readoutWords(message));
        },
        refused({ message }) {
          refused = true;
          showNotice(words.refused(message));
        },
        bye: ({ message }) => {
          afterClose = words.ended(message);
        },
      },
    });
    socket.onopen = () =>
      sendHere({
        op: "hello",
        v: DISPLAY_VERSION,
        agent: navigator.userAgent,
        ...refresh,
        role: isMirror ? "mirror" : "stimulus",
        page,
        last: isMirror ? null : lastShown(),
      });
    socket.onmessage = ({ data }) => opened.receive(new Uint8Array(data));
    socket.onclose = () => {
      session = null;
      welcome = null;
      send = () => {};
      // The patch stays as it is: a change would look like an onset.
      picture = { ...picture, face: null };
      canvas.draw(picture);
      canvas.releaseAll();
      showReadout("");
      if (refused) return;
      showNotice(afterClose);
      setTimeout(connect, RECONNECT_MS);
    };
  };
  showNotice(words.connecting(location.host));
  void connect();
}

main();
