import { parseStudy, type SessionStudy, type TrainingStudy } from "../../../protocols/study.ts";

/** Processes and threads start slowly where other programs load the machine. */
export const PROCESSES_MS = 300_000;

/** A study file's text, read. Throws with what is wrong in it. */
export function studyOf<S extends SessionStudy | TrainingStudy>(text: string): S {
  const parsed = parseStudy(text);
  if (!parsed.ok) throw new Error(parsed.errors);
  return parsed.study as S;
}
