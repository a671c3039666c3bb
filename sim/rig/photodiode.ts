/** From a frame's callback to light on the simulated screen, where a photodiode sees it. */
export const PANEL_MS = 30;
