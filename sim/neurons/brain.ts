import type { Random } from "../../server/random.ts";
import type { SimulatedUnit } from "./unit.ts";

/** Spikes of all units up to a time, sorted by unit and then time. */
export interface Spikes {
  unit: Uint16Array;
  timeS: Float64Array;
}

interface Segment {
  fromS: number;
  rateHz: number;
  random: Random;
}

interface UnitState {
  /** Changes of rate still ahead, in order; the first is in force. */
  segments: Segment[];
  /** Unit-rate exponential that the integrated rate still has to use up before the next spike. */
  hazard: number;
  lastSpikeS: number;
}

/**
 * Simulated neurons in time: Poisson spikes with an absolute refractory period, at each unit's driven rate from its latency
 * after a face's onset until its latency after the offset, at the spontaneous rate otherwise. What a unit fires to a
 * presentation depends on the generator, the unit and the presentation's number only, so that a session in real time, where
 * onsets jitter, sees the same responses as one in virtual time.
 */
export interface Brain {
  /** A face is on the screen in [onsetS, offsetS). Presentations must come in order of their onsets. */
  see(presentation: number, latents: ArrayLike<number>, onsetS: number, offsetS: number): void;
  /** Spikes since the last call, before untilS. */
  fire(untilS: number): Spikes;
}

export function createBrain(units: readonly SimulatedUnit[], startS: number, random: Random): Brain {
  const exponential = (r: Random) => -Math.log(1 - r.uniform());
  const states = units.map((unit, u): UnitState => {
    const own = random.split("spontaneous", u);
    return {
      segments: [{ fromS: startS, rateHz: unit.spontaneousHz, random: own }],
      hazard: exponential(own),
      lastSpikeS: Number.NEGATIVE_INFINITY,
    };
  });
  let doneS = startS;

  function fireUnit(u: number, untilS: number, out: number[]): void {
    const state = states[u];
    const { refractoryMs } = units[u];
    let nowS = doneS;
    while (nowS < untilS) {
      const [segment, next] = state.segments;
      const endS = Math.min(untilS, next?.fromS ?? Number.POSITIVE_INFINITY);
      const readyS = Math.max(nowS, state.lastSpikeS + refractoryMs / 1000);
      const spikeS = readyS + state.hazard / segment.rateHz;
      if (spikeS < endS) {
        out.push(spikeS);
        state.lastSpikeS = spikeS;
        state.hazard = exponential(segment.random);
        nowS = spikeS;
      } else {
        state.hazard -= Math.max(0, endS - readyS) * segment.rateHz;
        nowS = endS;
        if (next && endS >= next.fromS) {
          state.segments.shift();
          state.hazard = exponential(next.random);
        }
      }
    }
  }

  return {
    see(presentation, latents, onsetS, offsetS) {
      units.forEach((unit, u) => {
        const { segments } = states[u];
        const latencyS = unit.latencyMs / 1000;
        const own = random.split("response", presentation, u);
        // A face that replaces another ends its response; a face learned of late is answered at once.
        const fromS = Math.max(onsetS + latencyS, doneS);
        while (segments.length > 1 && segments[segments.length - 1].fromS >= fromS) segments.pop();
        const rateHz = unit.rateHz(latents, presentation) * (unit.gain?.(presentation, own.split("gain")) ?? 1);
        segments.push(
          { fromS, rateHz, random: own },
          { fromS: Math.max(offsetS + latencyS, fromS), rateHz: unit.spontaneousHz, random: own.split("after") },
        );
      });
    },
    fire(untilS) {
      const unit: number[] = [];
      const timeS: number[] = [];
      for (let u = 0; u < units.length; u++) {
        const before = timeS.length;
        fireUnit(u, untilS, timeS);
        for (let i = before; i < timeS.length; i++) unit.push(u);
      }
      doneS = Math.max(doneS, untilS);
      return { unit: Uint16Array.from(unit), timeS: Float64Array.from(timeS) };
    },
  };
}
