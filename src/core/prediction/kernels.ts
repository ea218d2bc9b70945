/** The loops in which a network spends its time. Matrices lie row by row; nothing is allocated. */

/** `out += a · W`: a row of `rows` values through a matrix of `rows` × `cols`. */
export function addProduct(
  out: Float64Array,
  outAt: number,
  a: Float64Array,
  aAt: number,
  w: Float64Array,
  wAt: number,
  rows: number,
  cols: number,
): void {
  let k = 0;
  // Eight rows at a time: each value of `out` is read and written once for eight of `w`.
  for (; k + 7 < rows; k += 8) {
    const r0 = wAt + k * cols;
    const r1 = r0 + cols;
    const r2 = r1 + cols;
    const r3 = r2 + cols;
    const r4 = r3 + cols;
    const r5 = r4 + cols;
    const r6 = r5 + cols;
    const r7 = r6 + cols;
    const from = aAt + k;
    const a0 = a[from]!;
    const a1 = a[from + 1]!;
    const a2 = a[from + 2]!;
    const a3 = a[from + 3]!;
    const a4 = a[from + 4]!;
    const a5 = a[from + 5]!;
    const a6 = a[from + 6]!;
    const a7 = a[from + 7]!;
    for (let j = 0; j < cols; j += 1) {
      const first = a0 * w[r0 + j]! + a1 * w[r1 + j]! + a2 * w[r2 + j]! + a3 * w[r3 + j]!;
      const second = a4 * w[r4 + j]! + a5 * w[r5 + j]! + a6 * w[r6 + j]! + a7 * w[r7 + j]!;
      out[outAt + j] = out[outAt + j]! + first + second;
    }
  }
  for (; k < rows; k += 1) addScaled(out, outAt, w, wAt + k * cols, a[aAt + k]!, cols);
}

/** `out += W · b`: the same matrix from its other side. */
export function addProductOther(
  out: Float64Array,
  outAt: number,
  b: Float64Array,
  bAt: number,
  w: Float64Array,
  wAt: number,
  rows: number,
  cols: number,
): void {
  for (let k = 0; k < rows; k += 1) {
    const row = wAt + k * cols;
    let even = 0;
    let odd = 0;
    let j = 0;
    for (; j + 1 < cols; j += 2) {
      even += w[row + j]! * b[bAt + j]!;
      odd += w[row + j + 1]! * b[bAt + j + 1]!;
    }
    if (j < cols) even += w[row + j]! * b[bAt + j]!;
    out[outAt + k] = out[outAt + k]! + even + odd;
  }
}

/**
 * `W += aᵀ · b` for `count` pairs of rows, which lie `aStep` and `bStep` apart: what a batch adds to a gradient.
 */
export function addOuter(
  w: Float64Array,
  wAt: number,
  a: Float64Array,
  aAt: number,
  aStep: number,
  b: Float64Array,
  bAt: number,
  bStep: number,
  count: number,
  rows: number,
  cols: number,
): void {
  let i = 0;
  for (; i + 3 < count; i += 4) {
    const [a0, b0] = [aAt + i * aStep, bAt + i * bStep];
    const [a1, b1] = [a0 + aStep, b0 + bStep];
    const [a2, b2] = [a1 + aStep, b1 + bStep];
    const [a3, b3] = [a2 + aStep, b2 + bStep];
    for (let k = 0; k < rows; k += 1) {
      const [x0, x1, x2, x3] = [a[a0 + k]!, a[a1 + k]!, a[a2 + k]!, a[a3 + k]!];
      const row = wAt + k * cols;
      for (let j = 0; j < cols; j += 1) {
        w[row + j] = w[row + j]! + x0 * b[b0 + j]! + x1 * b[b1 + j]! + x2 * b[b2 + j]! + x3 * b[b3 + j]!;
      }
    }
  }
  for (; i < count; i += 1) {
    for (let k = 0; k < rows; k += 1) addScaled(w, wAt + k * cols, b, bAt + i * bStep, a[aAt + i * aStep + k]!, cols);
  }
}

/** `out += scale · a` */
export function addScaled(
  out: Float64Array,
  outAt: number,
  a: Float64Array,
  aAt: number,
  scale: number,
  count: number,
): void {
  for (let j = 0; j < count; j += 1) out[outAt + j] = out[outAt + j]! + scale * a[aAt + j]!;
}

/** Turns logits into probabilities, in place. */
export function softmax(values: Float64Array, at: number, count: number): void {
  let highest = -Infinity;
  for (let j = 0; j < count; j += 1) highest = Math.max(highest, values[at + j]!);
  let sum = 0;
  for (let j = 0; j < count; j += 1) {
    const value = Math.exp(values[at + j]! - highest);
    values[at + j] = value;
    sum += value;
  }
  for (let j = 0; j < count; j += 1) values[at + j] = values[at + j]! / sum;
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
