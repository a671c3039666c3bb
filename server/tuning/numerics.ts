/** Numerical hazards live here, each explained. */

/**
 * W(e^y), the Lambert function of an exponential, without forming e^y: the root of w + log w = y.
 * e^y overflows for y > 709 and loses W for y < −745; in logs neither happens. For y ≤ −37 W equals e^y to the last bit.
 * Newton on f(w) = w + log w − y from Iacono & Boyd's start; quadratic, at most six steps.
 */
export function lambertWExp(y: number): number {
  if (Number.isNaN(y)) return Number.NaN;
  if (y <= -37) return Math.exp(y);
  if (y === Number.POSITIVE_INFINITY) return y;
  let w = y > 1 ? y - Math.log(y) : Math.exp(y) / (1 + Math.exp(y));
  for (let i = 0; i < 20; i++) {
    const step = (w * (y - w - Math.log(w))) / (1 + w);
    // A step past zero would leave the domain of log; W is positive, so halve towards it instead.
    w = w + step > 0 ? w + step : w / 2;
    if (Math.abs(step) <= 4e-16 * w) break;
  }
  return w;
}

/** log(1 + e^x) without overflow, and without losing e^x where it is small. */
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** 1/(1 + e^−x); for x → −∞ it is e^x to the last bit, never 0/∞. */
export function logistic(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** log Γ(x) for x > 0, to about 1e-14: Lanczos' sum with g = 7 (Press et al., Numerical Recipes §6.1); Stirling's series above 1e3. */
export function logGamma(x: number): number {
  if (x > 1e3) return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) - 1 / (360 * x ** 3);
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  let sum = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/**
 * Eleven-point Gauss–Hermite rule for an integral whose peak has been found: ∫ f(x) dx ≈ √(2π) Σ exp(v_i) f(x_i), entries
 * [x_i, v_i] with v_i = log w_i + x_i²/2. Exact for a Gaussian times a polynomial of degree 21.
 */
export const adaptiveNodes: readonly (readonly [number, number])[] = [
  [-5.1880012243748705, -0.5658593639944431],
  [-3.936166607129977, -0.7923673467484731],
  [-2.865123160643645, -0.898159316755085],
  [-1.876035020154846, -0.9562468318924382],
  [-0.928868997381064, -0.9864262636650217],
  [0, -0.9958525547103411],
  [0.928868997381064, -0.9864262636650217],
  [1.876035020154846, -0.9562468318924382],
  [2.865123160643645, -0.898159316755085],
  [3.936166607129977, -0.7923673467484731],
  [5.1880012243748705, -0.5658593639944431],
];

/**
 * P(X > x) for X ~ χ² with `df` degrees of freedom: the regularised upper incomplete gamma function Q(df/2, x/2), by its series below
 * its bend and Lentz' continued fraction above it (Press et al., Numerical Recipes §6.2). To about 1e-12.
 */
export function chiSquareTail(x: number, df: number): number {
  if (!(x > 0)) return 1;
  const a = df / 2;
  const h = x / 2;
  const scale = Math.exp(a * Math.log(h) - h - logGamma(a));
  if (h < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 1000 && term > 1e-16 * sum; n++) {
      term *= h / (a + n);
      sum += term;
    }
    return 1 - scale * sum;
  }
  let b = h + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < 1000; n++) {
    const numerator = -n * (n - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return scale * fraction;
}
