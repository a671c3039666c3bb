/**
 * Messages between the server and a stimulus display: MessagePack in binary WebSocket frames (SPEC.md, rules S).
 * Display times are `performance.now()` in milliseconds of the display's own clock (`displayMs`).
 */
import { z } from "zod";
import { type Decoded, pack, unpackAs } from "./message.ts";
import { operatorOps } from "./operator.ts";

export const DISPLAY_VERSION = 1;
export const DISPLAY_PATH = "/display";

const id = z.number().int().nonnegative();
const ms = z.number().refine(Number.isFinite, "expected a finite time in milliseconds");
const size = z.number().int().positive();
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, "expected bytes");

/**
 * The first frame that shows a presentation. `displayMs` is the time of its callback, `callbackLateMs` how late in its frame
 * that ran, `dueMs` when the frame that was planned began, `intervalsMs` those between the last callbacks. `frame` counts frames since welcome; `lateFrames` is how far behind its due
 * frame it came (0 = on time) and `cause` why; `dropped` counts frames lost since the previous presentation's onset.
 */
const shown = z.object({
  op: z.literal("shown"),
  presentation: id,
  face: id,
  frame: id,
  displayMs: ms,
  dropped: id,
  lateFrames: id,
  cause: z.enum(["none", "face-missing", "show-late", "frame-dropped"]),
  /** The photodiode's patch from this frame on: white or not. */
  patch: z.boolean(),
  dueMs: ms,
  callbackLateMs: ms,
  intervalsMs: z.array(ms).max(64),
});

const displayMessage = z.discriminatedUnion("op", [
  /**
   * First message. `frameMs` is the measured interval between frames, `unsteady` the share of intervals that were more than a
   * quarter off a whole number of it. `last`: the last presentation that this display has shown, and in
   * which session: its report may have been lost with the connection. Its times are on the display's present clock.
   * `page`: the display's own name, drawn at random when it starts: with it, it takes back its place from a connection that it has lost.
   */
  z.object({
    op: z.literal("hello"),
    v: z.literal(DISPLAY_VERSION),
    agent: z.string(),
    frameMs: ms.positive(),
    unsteady: z.number().min(0).max(1),
    role: z.enum(["stimulus", "mirror"]),
    page: z.string().min(1).max(64).optional(),
    last: z.object({ sessionId: z.string(), shown }).nullable(),
  }),
  /** How large things are: the screen in device pixels, a face's longer side in them and (where known) in degrees. */
  z.object({ op: z.literal("geometry"), widthPx: size, heightPx: size, facePx: size, faceDeg: z.number().nullable() }),
  /** The interval between frames is another one from here on (another screen), or has become unsteady or steady again. */
  z.object({ op: z.literal("refresh"), frameMs: ms.positive(), unsteady: z.number().min(0).max(1) }),
  /** The page can be seen, or lies in a hidden tab, where it draws no frames. */
  z.object({ op: z.literal("visibility"), visible: z.boolean() }),
  /** A key was pressed at the display. */
  z.object({ op: z.literal("command"), command: z.enum(operatorOps) }),
  /** The face is a texture on the GPU: it can be shown at the next frame. */
  z.object({ op: z.literal("ready"), face: id }),
  shown,
  /** The first frame without the face; `frames` is how many whole frames it was on the screen, of `plannedFrames`. */
  z.object({ op: z.literal("hidden"), presentation: id, frame: id, displayMs: ms, frames: id, plannedFrames: id }),
  /** The presentation will not be shown: `clear` came first, or its number was not above that of every `show` before. */
  z.object({ op: z.literal("cancelled"), presentation: id, reason: z.enum(["cleared", "repeated"]) }),
  /** The display could not use a message of the server. */
  z.object({ op: z.literal("rejected"), detail: z.string() }),
  z.object({ op: z.literal("pong"), t0ServerMs: ms, displayMs: ms }),
]);
export type DisplayMessage = z.infer<typeof displayMessage>;

/** What the display must know to draw a face of a size in degrees. */
const placement = z.object({
  widthCm: z.number().positive(),
  distanceCm: z.number().positive(),
  sizeDeg: z.number().positive(),
  /** Centre of the face from that of the screen: right and up. */
  xDeg: z.number(),
  yDeg: z.number(),
});
export type Placement = z.infer<typeof placement>;

const level = z.number().min(0).max(1);

const serverMessage = z.discriminatedUnion("op", [
  /** Accepts the display. Durations are rounded to whole frames by the display. */
  z.object({
    op: z.literal("welcome"),
    v: z.literal(DISPLAY_VERSION),
    session: z.string(),
    /** Different for each server that runs: presentations are numbered within it. */
    sessionId: z.string(),
    width: id,
    height: id,
    background: level,
    /** Null: faces are as large as `faceFraction` says. */
    placement: placement.nullable(),
    /** A spot at the screen's centre, over faces and between them. */
    fixation: z.object({ sizePx: size.nullable(), sizeDeg: z.number().positive().nullable(), level }).nullable(),
    faceFraction: z.number().positive().max(1),
    photodiode: z.object({
      corner: z.enum(["none", "top-left", "top-right", "bottom-left", "bottom-right"]),
      sizePx: id,
      codeBits: id,
    }),
  }),
  /** Turns the display away and closes the socket. `message` is for a person. */
  z.object({ op: z.literal("refused"), reason: z.enum(["version", "occupied", "malformed"]), message: z.string() }),
  /** A face sent ahead of need: RGBA, row-major, top row first. */
  z
    .object({ op: z.literal("face"), face: id, width: size, height: size, pixels: bytes })
    .refine(({ width, height, pixels }) => pixels.length === 4 * width * height, {
      path: ["pixels"],
      error: "expected 4 * width * height bytes",
    }),
  /**
   * Show a face for `onMs`. Due `periodMs` after the onset of the presentation before it; `periodMs` null: at the next
   * frame (the first one, or after a pause). Presentations are numbered upwards.
   */
  z.object({
    op: z.literal("show"),
    presentation: id,
    face: id,
    onMs: ms.positive(),
    periodMs: ms.positive().nullable(),
  }),
  /** Background at the next frame; whatever was due is dropped. */
  z.object({ op: z.literal("clear") }),
  /** The face will not be asked for again: its texture may go. */
  z.object({ op: z.literal("release"), face: id }),
  /** The small read-out for whoever stands at the rig. */
  z.object({
    op: z.literal("readout"),
    trial: id,
    trials: id,
    trialsPerMin: z.number(),
    /** The unit whose tuning is most concentrated on one latent so far; `latent` is the latent's name. */
    bestUnit: z.object({ unit: z.string(), latent: z.string(), share: z.number() }).nullable(),
    state: z.enum(["waiting", "running", "paused", "ended"]),
  }),
  z.object({ op: z.literal("ping"), t0ServerMs: ms }),
  z.object({ op: z.literal("bye"), message: z.string() }),
]);
export type ServerMessage = z.infer<typeof serverMessage>;
export type Readout = Extract<ServerMessage, { op: "readout" }>;

export const encodeDisplayMessage = (message: DisplayMessage): Uint8Array => pack(message);
export const encodeServerMessage = (message: ServerMessage): Uint8Array => pack(message);
export const decodeDisplayMessage = (data: Uint8Array): Decoded<DisplayMessage, "malformed" | "version"> =>
  unpackAs(displayMessage, DISPLAY_VERSION, data);
export const decodeServerMessage = (data: Uint8Array): Decoded<ServerMessage, "malformed" | "version"> =>
  unpackAs(serverMessage, DISPLAY_VERSION, data);
