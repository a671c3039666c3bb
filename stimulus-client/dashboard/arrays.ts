/** Numbers out of the bytes of a message: they may begin anywhere in it. */
const own = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;
export const float32 = (bytes: Uint8Array): Float32Array => new Float32Array(own(bytes));
export const float64 = (bytes: Uint8Array): Float64Array => new Float64Array(own(bytes));
export const uint16 = (bytes: Uint8Array): Uint16Array => new Uint16Array(own(bytes));
