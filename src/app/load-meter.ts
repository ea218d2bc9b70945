import { loadKey } from '../core/items.js';
import { type LoadShare, encodeShare, newShare } from '../core/scaling/measured.js';
import { MINUTE_MS } from '../core/scaling/signals.js';
import type { Write } from '../core/table.js';

/** What a process has counted is written down so often; what a crash takes with it is no older. */
const FLUSH_MS = 10_000;

/** What this process has offered to streams, by minute: counted in memory, nobody waits for it. */
export class LoadMeter {
  readonly #shares = new Map<string, Map<number, LoadShare>>();
  readonly #changed = new Map<LoadShare, readonly [stream: string, minute: number]>();
  #process: string | undefined;
  #flushedAtMs: number | undefined;

  /** The share of a stream's minute, to be counted up. */
  share(stream: string, nowMs: number): LoadShare {
    const minute = Math.floor(nowMs / MINUTE_MS);
    const minutes = this.#shares.get(stream) ?? new Map<number, LoadShare>();
    const share = minutes.get(minute) ?? newShare();
    if (!this.#changed.has(share)) {
      this.#shares.set(stream, minutes.set(minute, share));
      this.#changed.set(share, [stream, minute]);
    }
    return share;
  }

  isDue(nowMs: number): boolean {
    this.#flushedAtMs ??= nowMs;
    return this.#changed.size > 0 && Math.abs(nowMs - this.#flushedAtMs) >= FLUSH_MS;
  }

  /** What has changed since the last call. A minute is written again as long as it counts on. */
  take(nowMs: number, newProcess: () => string): readonly Write[] {
    this.#flushedAtMs = nowMs;
    if (this.#changed.size === 0) return [];
    const process = (this.#process ??= newProcess());
    const writes = [...this.#changed].map(([share, [stream, minute]]): Write => ({
      kind: 'put',
      key: loadKey(stream, minute, process),
      item: encodeShare(share),
    }));
    this.#changed.clear();
    const current = Math.floor(nowMs / MINUTE_MS);
    for (const minutes of this.#shares.values()) {
      for (const minute of minutes.keys()) if (minute < current) minutes.delete(minute);
    }
    return writes;
  }
}
