import type { OpenEphysMessage } from "../../../protocols/wire/open-ephys.ts";
import type { Recording } from "./recording.ts";

/** What the GUI sends for one block of samples. */
export interface Block {
  /** Seconds of the recording from its first block's start to this one's end. */
  endS: number;
  /** Events and spikes, then one continuous channel of zeros, which tells the stream's time and sample rate. */
  messages: OpenEphysMessage[];
}

/** Seconds; the GUI's blocks last up to 23 ms. */
const BLOCK_S = 0.02;

const blockSamples = ({ sampleRate }: Recording): number => Math.round(BLOCK_S * sampleRate);
const firstBlock = (recording: Recording): number =>
  Math.floor(recording.events[0].sampleNum / blockSamples(recording));

/** Blocks of one pass; one more than the events need, so that the stream's time passes the last of them. */
export const countBlocks = (recording: Recording): number =>
  Math.floor(recording.events[recording.events.length - 1].sampleNum / blockSamples(recording)) -
  firstBlock(recording) +
  2;

/** The recording block by block; with `loop` for ever, each pass continuing the sample numbers of the one before. */
export function* blocksOf(recording: Recording, loop: boolean): Generator<Block> {
  const size = blockSamples(recording);
  const blocks = countBlocks(recording);
  const first = firstBlock(recording);
  const zeros = new Uint8Array(4 * size);
  let messageNum = 1;
  for (let pass = 0; pass === 0 || loop; pass++) {
    const shift = pass * blocks * size;
    let next = 0;
    for (let block = 0; block < blocks; block++) {
      const start = (first + block) * size;
      const messages: OpenEphysMessage[] = [];
      for (; recording.events[next]?.sampleNum < start + size; next++) {
        const event = recording.events[next];
        messages.push({ ...event, messageNum: messageNum++, sampleNum: event.sampleNum + shift });
      }
      messages.push({
        kind: "data",
        messageNum: messageNum++,
        stream: recording.stream,
        channelNum: 0,
        channelName: recording.channelName,
        sampleNum: start + shift,
        numSamples: size,
        sampleRate: recording.sampleRate,
        payload: zeros,
      });
      yield { endS: ((pass * blocks + block + 1) * size) / recording.sampleRate, messages };
    }
  }
}
