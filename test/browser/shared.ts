import type { Browser } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { launchChromium } from "./chromium.ts";

/** One browser for all tests of a file, from their beginning to their end. */
export function sharedChromium(extra?: string[]): () => Browser {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium(extra);
  });
  afterAll(() => browser?.close());
  return () => browser;
}
