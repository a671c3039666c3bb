/** An array read from a NumPy .npy file (format 1 to 3): little-endian, C order. */
export interface NpyArray {
  shape: number[];
  /** Row-major. */
  data:
    | Int16Array
    | Uint16Array
    | Int32Array
    | Uint32Array
    | Float32Array
    | Float64Array
    | BigInt64Array
    | BigUint64Array;
}

const MAGIC = "\x93NUMPY";
const types = {
  "<i2": Int16Array,
  "<u2": Uint16Array,
  "<i4": Int32Array,
  "<u4": Uint32Array,
  "<f4": Float32Array,
  "<f8": Float64Array,
  "<i8": BigInt64Array,
  "<u8": BigUint64Array,
};

/** @throws Error where the bytes are no .npy file of a type in `types`, or shorter than their header says. */
export function parseNpy(bytes: Uint8Array): NpyArray {
  if (latin1(bytes.subarray(0, 6)) !== MAGIC) throw new Error("expected a .npy file, found other content");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLong = bytes[6] > 1;
  const start = isLong ? 12 : 10;
  const headerLength = isLong ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = latin1(bytes.subarray(start, start + headerLength));
  const descr = /'descr': *'([^']*)'/.exec(header)?.[1] ?? "none";
  const shape = /'shape': *\(([^)]*)\)/.exec(header)?.[1];
  const sizes = (shape ?? "")
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  // With one dimension that counts, both orders are one: MATLAB's writers call a column F-ordered.
  const isTransposed = /'fortran_order': *True/.test(header) && sizes.filter((size) => size !== 1).length > 1;
  if (!Object.hasOwn(types, descr) || shape === undefined || isTransposed)
    throw new Error(`expected a C-ordered array of ${Object.keys(types).join(", ")}, found ${header.trim()}`);
  const length = sizes.reduce((product, size) => product * size, 1);
  const type = types[descr as keyof typeof types];
  // Copied, since the file's bytes need not be aligned.
  const body = new Uint8Array(bytes.subarray(start + headerLength));
  if (body.length < length * type.BYTES_PER_ELEMENT)
    throw new Error(`expected ${length * type.BYTES_PER_ELEMENT} bytes after the header, found ${body.length}`);
  return { shape: sizes, data: new type(body.buffer, 0, length) };
}

/** The array's values as numbers. @throws Error for an integer beyond 2^53. */
export function numbersOf({ data }: NpyArray): number[] {
  return Array.from<number | bigint, number>(data as Iterable<number | bigint>, (value) => {
    const number = Number(value);
    if (typeof value === "bigint" && !Number.isSafeInteger(number))
      throw new Error(`expected an integer below 2^53, found ${value}`);
    return number;
  });
}

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
