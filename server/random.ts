/**
 * A seeded, splittable generator of random numbers. `split` derives an independent child from a generator's *identity*
 * (its seed and the keys on the way to it), never from how many numbers were drawn, so that what item i of a data set
 * looks like does not depend on what was drawn for items 0…i−1, nor on which worker draws it.
 */
export interface Random {
  /** A number in [0, 1) with 53 random bits. */
  uniform(): number;
  /** A draw from the standard normal distribution. */
  normal(): number;
  /** An integer in {0, …, n − 1}, without modulo bias. Throws RangeError unless 1 ≤ n ≤ 2³². */
  int(n: number): number;
  /** A generator of its own for these keys; the same keys always give the same one, and drawing does not change it. */
  split(...keys: (number | string)[]): Random;
}

type Words = readonly [number, number, number, number];

/**
 * A generator from a seed (any finite number or string).
 * Identity: a 128-bit hash (MurmurHash3 x86_128, Appleby 2011) of the seed and the keys. Stream: sfc32 (Doty-Humphrey,
 * PractRand), 128 bits of state with a 32-bit counter inside, hence a period of at least 2³².
 * Throws RangeError for a seed or a key that is NaN or infinite.
 */
export function random(seed: number | string): Random {
  return fromIdentity(hash([0, 0, 0, 0], [seed]));
}

/** A draw from the exponential distribution of mean 1. */
export const exponential = (random: Random): number => -Math.log(1 - random.uniform());

/** The items in an order drawn uniformly from all: Fisher–Yates. */
export function shuffle<T>(items: readonly T[], random: Random): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

function fromIdentity(identity: Words): Random {
  const next = sfc32(identity);
  let spare: number | undefined;
  const uniform = () => ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000;
  return {
    uniform,
    normal() {
      if (spare !== undefined) {
        const second = spare;
        spare = undefined;
        return second;
      }
      // Box–Muller; 1 − u lies in (0, 1], so that the logarithm is finite.
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    int(n) {
      if (!Number.isInteger(n) || n < 1 || n > 0x100000000) throw new RangeError(`int(n) wants 1 ≤ n ≤ 2^32, got ${n}`);
      const limit = 0x100000000 - (0x100000000 % n);
      let word = next();
      while (word >= limit) word = next();
      return word % n;
    },
    split: (...keys) => fromIdentity(hash(identity, keys)),
  };
}

function sfc32(state: Words): () => number {
  let [a, b, c] = state;
  // The fourth word goes into the counter, so that all 128 bits of the identity matter.
  let counter = state[3] | 0;
  const next = () => {
    const word = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word >>> 0;
  };
  for (let round = 0; round < 15; round++) next();
  return next;
}

/** Parent identity and keys, each key tagged with its type and length so that ("ab") and ("a", "b") differ. */
function hash(parent: Words, keys: readonly (number | string)[]): Words {
  const words: number[] = [...parent];
  for (const key of keys) {
    if (typeof key === "number") {
      if (!Number.isFinite(key)) throw new RangeError(`a seed or key must be finite, got ${key}`);
      const halves = new Uint32Array(new Float64Array([key === 0 ? 0 : key]).buffer);
      words.push(1, halves[0], halves[1]);
    } else {
      words.push(2, key.length, ...Array.from(key, (_, index) => key.charCodeAt(index)));
    }
  }
  return murmur128(words);
}

/** MurmurHash3 x86_128 over 32-bit words, zero-padded to whole blocks of four. */
function murmur128(words: readonly number[]): Words {
  const c1 = 0x239b961b;
  const c2 = 0xab0e9789;
  const c3 = 0x38b34ae5;
  const c4 = 0xa1e38b93;
  const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  for (let i = 0; i < words.length; i += 4) {
    h1 ^= Math.imul(rotate(Math.imul(words[i] | 0, c1), 15), c2);
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul((words[i + 1] ?? 0) | 0, c2), 16), c3);
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul((words[i + 2] ?? 0) | 0, c3), 17), c4);
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul((words[i + 3] ?? 0) | 0, c4), 18), c1);
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  const bytes = words.length * 4;
  h1 ^= bytes;
  h2 ^= bytes;
  h3 ^= bytes;
  h4 ^= bytes;
  const mix = () => {
    h1 = (h1 + h2 + h3 + h4) | 0;
    h2 = (h2 + h1) | 0;
    h3 = (h3 + h1) | 0;
    h4 = (h4 + h1) | 0;
  };
  mix();
  h1 = finish(h1);
  h2 = finish(h2);
  h3 = finish(h3);
  h4 = finish(h4);
  mix();
  return [h1, h2, h3, h4];
}

function finish(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
