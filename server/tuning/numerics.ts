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
