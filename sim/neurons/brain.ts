import type { Simulation } from "../../protocols/experiment.ts";
import { exponential, type Random } from "../../server/random.ts";
import { createAdaptation } from "./adaptation.ts";
import { createSorter } from "./sorting.ts";
import { isPresent, type SimulatedUnit } from "./unit.ts";

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

interface NeuronState {
  /** Changes of rate still ahead, in order; the first is in force. */
  segments: Segment[];
  /** Unit-rate exponential that the integrated rate still has to use up before the next spike. */
  hazard: number;
  lastSpikeS: number;
}

/**
 * Simulated neurons in time: Poisson spikes with an absolute refractory period, at each neuron's driven rate from its latency after a
 * face's onset (less strongly once the transient is over), at the spontaneous rate from its latency after the offset. What a neuron
 * fires to a presentation depends on the generator, the neuron and the presentation's number only, and where responses adapt on the
 * faces before, so that a session in real time, where onsets jitter, sees the same responses as one in virtual time. Which neurons'
 * spikes a unit holds is the sorter's affair.
 */
export interface Brain {
  /** A face is on the screen in [onsetS, offsetS). Presentations must come in order of their onsets. */
  see(presentation: number, latents: ArrayLike<number>, onsetS: number, offsetS: number): void;
  /** Spikes since the last call, before untilS. */
  fire(untilS: number): Spikes;
}

export function createBrain(
  units: readonly SimulatedUnit[],
  startS: number,
  random: Random,
  adaptation?: Simulation["adaptation"],
): Brain {
  const sorter = createSorter(units);
  const { neurons } = sorter;
  const unadapted = adaptation ? createAdaptation(adaptation) : () => 1;
  const states = neurons.map((neuron, n): NeuronState => {
    const own = random.split("spontaneous", n);
    return {
      segments: [{ fromS: startS, rateHz: isPresent(neuron, 0) ? neuron.spontaneousHz : 0, random: own }],
      hazard: exponential(own),
      lastSpikeS: Number.NEGATIVE_INFINITY,
    };
  });
  let doneS = startS;

  function fireNeuron(n: number, untilS: number, out: { unit: number[]; timeS: number[] }): void {
    const state = states[n];
    const { refractoryMs } = neurons[n];
    let nowS = doneS;
    while (nowS < untilS) {
      const [segment, next] = state.segments;
      const endS = Math.min(untilS, next?.fromS ?? Number.POSITIVE_INFINITY);
      const readyS = Math.max(nowS, state.lastSpikeS + refractoryMs / 1000);
      const spikeS = readyS + state.hazard / segment.rateHz;
      if (spikeS < endS) {
        const unit = sorter.unitOf(n, segment.random);
        if (unit !== null) {
          out.unit.push(unit);
          out.timeS.push(spikeS);
        }
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
      const evoked = unadapted(latents);
      neurons.forEach((neuron, n) => {
        const { segments } = states[n];
        const { spontaneousHz, timeCourse } = neuron;
        const latencyS = neuron.latencyMs / 1000;
        const own = random.split("response", presentation, n);
        // A face that replaces another ends its response; a face learned of late is answered at once.
        const fromS = Math.max(onsetS + latencyS, doneS);
        while (segments.length > 1 && segments[segments.length - 1].fromS >= fromS) segments.pop();
        if (!isPresent(neuron, presentation)) {
          segments.push({ fromS, rateHz: 0, random: own });
          return;
        }
        const drivenHz = neuron.rateHz(latents, presentation) * (neuron.gain?.(presentation, own.split("gain")) ?? 1);
        const rateHz = evoked === 1 ? drivenHz : spontaneousHz + evoked * (drivenHz - spontaneousHz);
        segments.push({ fromS, rateHz, random: own });
        const offS = Math.max(offsetS + latencyS, fromS);
        if (timeCourse) {
          const sustainedS = Math.max(onsetS + latencyS + timeCourse.transientMs / 1000, fromS);
          const sustainedHz = spontaneousHz + timeCourse.sustained * (rateHz - spontaneousHz);
          if (sustainedS < offS)
            segments.push({ fromS: sustainedS, rateHz: sustainedHz, random: own.split("sustained") });
        }
        segments.push({ fromS: offS, rateHz: spontaneousHz, random: own.split("after") });
      });
    },
    fire(untilS) {
      const out = { unit: [] as number[], timeS: [] as number[] };
      for (let n = 0; n < neurons.length; n++) fireNeuron(n, untilS, out);
      doneS = Math.max(doneS, untilS);
      return sorter.inOrder(out);
    },
  };
}
