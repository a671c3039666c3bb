/** Keeps the screen awake while the page is in front. Calls `refused` where the browser does not (it asks for a secure page). */
export async function keepAwake(refused: () => void): Promise<void> {
  if (!("wakeLock" in navigator)) return refused();
  const request = async () => {
    try {
      await navigator.wakeLock.request("screen");
    } catch {
      refused();
    }
  };
  // A hidden page loses its lock.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void request();
  });
  await request();
}
