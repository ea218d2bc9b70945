import { seededRandom } from '../../src/adapters/embedded/virtual-clock.js';

/** All that chance decides in one seed, drawn from one place. */
export class Dice {
  readonly #random;

  constructor(seed: number) {
    this.#random = seededRandom(seed * 7919 + 1);
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  /** A whole number, 0 to `limit` exclusive. */
  below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  /** A whole number, both ends inclusive. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  pick<T>(list: readonly [T, ...T[]] | readonly T[]): T {
    if (list.length === 0) throw new Error('nothing to pick from');
    return list[this.below(list.length)] as T;
  }

  /** Each of them or not, each with this probability; never none. */
  some<T>(list: readonly T[], probability: number): readonly T[] {
    const picked = list.filter(() => this.chance(probability));
    return picked.length > 0 ? picked : [this.pick(list)];
  }
}
