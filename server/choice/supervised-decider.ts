/** The decider's thread under supervision: one that is lost is made again from the session's last snapshot and its journal. */
import { snapshotNames } from "../session/snapshot.ts";
import { superviseWorker, type Verdict } from "../supervision.ts";
import { openWorker, type WorkerHandle } from "../worker.ts";
import type { DeciderData } from "./decider.ts";
import type { DeciderService } from "./decider-worker.ts";

/** What of a session has been journalled, all that the decider was ever told included. */
export interface Journalled {
  folder: string;
  records: number;
}

export interface DeciderSupervision {
  lost(why: string): void;
  back(tookMs: number): void;
  failed(error: Error): void;
  /** Settles once what was journalled is in the files; null before there is a session. */
  journalled(): Promise<Journalled> | null;
}

/** Far longer than any answer takes; the first one waits for the thread to start. */
const LIMIT_MS = 20_000;

export function superviseDecider(
  data: DeciderData,
  { journalled, ...told }: DeciderSupervision,
): WorkerHandle<DeciderService> {
  return superviseWorker<DeciderService>({
    ...told,
    open: (died) => openWorker<DeciderService>("server/choice/decider-worker.js", data, died),
    quick: ["decide", "refine", "change", "adjust", "check", "beliefs", "rehearse"],
    limitMs: LIMIT_MS,
    async restore(worker) {
      const kept = await journalled();
      if (!kept) throw new Error("the decider was lost before the session began");
      const { folder, records } = kept;
      const { faces } = await worker.call("restore", folder, records, snapshotNames(folder));
      return ({ name, args }): Verdict => {
        switch (name) {
          // What was journalled before it was asked has been done again, but for a pause.
          case "decide": {
            const count = args[1] as number;
            return { answer: count === 0 ? [] : faces.slice(-count).map(({ choice }) => choice) };
          }
          case "change":
          case "adjust":
          case "check":
            return { answer: undefined };
          case "snapshot":
            return { refusal: new Error("the decider was lost") };
          default:
            return "again";
        }
      };
    },
  });
}
