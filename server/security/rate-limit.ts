/** So much at once, and so much each second after that. Pure. */
export interface Allowance {
  burst: number;
  perSecond: number;
}

/** What is left of an allowance at `atMs`. */
export interface Bucket {
  left: number;
  atMs: number;
}

export const fullBucket = ({ burst }: Allowance, atMs: number): Bucket => ({ left: burst, atMs });

/** Takes one, in place; false where none is left. */
export function take(bucket: Bucket, { burst, perSecond }: Allowance, nowMs: number): boolean {
  bucket.left = Math.min(burst, bucket.left + (Math.max(0, nowMs - bucket.atMs) * perSecond) / 1000);
  bucket.atMs = nowMs;
  if (bucket.left < 1) return false;
  bucket.left--;
  return true;
}
