import { ModelRefused } from './refused.js';

/** How arrays of numbers stand in JSON: `{"$": kind, "b": base64}`, little-endian. */
const KINDS = { f32: Float32Array, f64: Float64Array, u32: Uint32Array, u16: Uint16Array } as const;

type Packed = InstanceType<(typeof KINDS)[keyof typeof KINDS]>;

/** A value whose typed arrays can be written as JSON. Everything else in it is JSON already. */
export function pack(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (ArrayBuffer.isView(value)) return packArray(value as Packed);
  if (Array.isArray(value)) return value.map(pack);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, pack(each)]));
}

/** The other way round. @throws ModelRefused where an array is cut off, or holds a number that is none */
export function unpack(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(unpack);
  const { $: kind, b: bytes } = value as { readonly $?: unknown; readonly b?: unknown };
  if (typeof kind === 'string' && typeof bytes === 'string') return unpackArray(kind, bytes);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, unpack(each)]));
}

function packArray(array: Packed): { $: string; b: string } {
  const kind = Object.entries(KINDS).find(([, type]) => array instanceof type)?.[0];
  if (kind === undefined) throw new Error(`an array of this kind is not packed`);
  return { $: kind, b: Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64') };
}

function unpackArray(kind: string, text: string): Packed {
  const type = Object.hasOwn(KINDS, kind) ? KINDS[kind as keyof typeof KINDS] : undefined;
  const bytes = Buffer.from(text, 'base64');
  if (type === undefined || bytes.length % type.BYTES_PER_ELEMENT !== 0) {
    throw new ModelRefused('ModelCorrupt', 'an array of numbers is cut off');
  }
  // A copy of its own: the bytes need not begin where the numbers must.
  const array = new type(new Uint8Array(bytes).buffer);
  if (!array.every((each) => Number.isFinite(each))) {
    throw new ModelRefused('ModelCorrupt', 'it holds numbers that are none (NaN or infinite)');
  }
  return array;
}
