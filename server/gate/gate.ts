import {
  distinctUntilChanged,
  map,
  merge,
  type Observable,
  of,
  type SchedulerLike,
  startWith,
  switchMap,
  timer,
} from "rxjs";
import type { GateMessage } from "../../protocols/wire/gate.ts";

export interface GateSettings {
  /** From the sender's `open` until faces go on. */
  openDelayMs: number;
  /** The gate counts as closed once its sender has been silent for so long. */
  silenceMs: number;
}

/** Whether faces may be shown from now on. */
export interface GateEvent {
  type: "gate";
  open: boolean;
  why: string;
  /** The sender's time and its clock; null where the sender said nothing. */
  sent: { timeS: number; clock: string } | null;
}

/** The gate as it counts: closed at first and in silence, open a while after its sender says so (SPEC.md, G2 to G4). */
export function gateOf(
  messages$: Observable<GateMessage>,
  { openDelayMs, silenceMs }: GateSettings,
  scheduler?: SchedulerLike,
): Observable<GateEvent> {
  const unheard: GateEvent = { type: "gate", open: false, why: "nothing has come from the gate yet", sent: null };
  const silent: GateEvent = {
    type: "gate",
    open: false,
    why: `nothing has come from the gate for ${silenceMs / 1000} s`,
    sent: null,
  };
  const said$ = messages$.pipe(
    switchMap(({ open, why, timeS, clock }) =>
      merge(
        of<GateEvent>({ type: "gate", open, why, sent: { timeS, clock } }),
        timer(silenceMs, scheduler).pipe(map(() => silent)),
      ),
    ),
  );
  return said$.pipe(
    startWith(unheard),
    distinctUntilChanged((before, now) => before.open === now.open),
    switchMap((event) => (event.open ? timer(openDelayMs, scheduler).pipe(map(() => event)) : of(event))),
    // A gate that opens for less than the delay has never been open.
    distinctUntilChanged((before, now) => before.open === now.open),
  );
}
