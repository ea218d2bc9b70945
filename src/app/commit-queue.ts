import type { CommitAnswer } from '../core/api.js';
import type { DecidedEntry } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { msOf, toIso } from '../core/timestamp.js';
import { type Task, applyAll } from './apply.js';
import { type Proposal, decideAll } from './decide.js';
import type { Site } from './site.js';

/** So many go together at the most; more make batches of their own, at work at the same time. */
const MAX_TOGETHER = 128;

interface Waiting {
  readonly proposal: Proposal;
  readonly resolve: (entry: DecidedEntry) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Decides and applies; what arrives within one turn of the event loop shares its calls: one decision, one call to each
 * follower, one put for each site's streams. Nobody waits for company: an idle queue starts at once.
 */
export class CommitQueue {
  readonly #site: Site;
  #waiting: Waiting[] = [];
  #scheduled = false;

  constructor(site: Site) {
    this.#site = site;
  }

  /** Resolves once the proposal is decided and applied. @throws LockstepError and the signals of `decideAll`, `applyAll` */
  submit(proposal: Proposal): Promise<DecidedEntry> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ proposal, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      void this.#site.clock.nextTurn().then(() => this.#flush());
    });
  }

  #flush(): void {
    this.#scheduled = false;
    const all = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < all.length; from += MAX_TOGETHER) {
      void this.#run(all.slice(from, from + MAX_TOGETHER));
    }
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    try {
      const verdicts = await decideAll(
        this.#site,
        batch.map(({ proposal }) => proposal),
      );
      const decided: { readonly waiting: Waiting; readonly entry: DecidedEntry; readonly task?: Task }[] = [];
      verdicts.forEach((verdict, index) => {
        const waiting = batch[index];
        if (!waiting) return;
        if (verdict.kind === 'refused') waiting.reject(verdict.error);
        else decided.push({ waiting, ...verdict });
      });
      // Applied by somebody else, perhaps long ago: how many hold it now is for the route of now to say.
      if (decided.some(({ task }) => !task)) await this.#site.routes.refresh().catch(() => undefined);
      await this.#apply(decided);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  async #apply(
    decided: readonly { readonly waiting: Waiting; readonly entry: DecidedEntry; readonly task?: Task }[],
  ): Promise<void> {
    try {
      await applyAll(
        this.#site,
        decided.flatMap(({ task }) => task ?? []),
      );
      for (const { waiting, entry } of decided) waiting.resolve(entry);
    } catch (error) {
      const [only] = decided;
      if (decided.length === 1 && only) only.waiting.reject(error);
      // One that cannot be applied must not hold up those that can.
      else await Promise.all(decided.map((one) => this.#apply([one])));
    }
  }
}

export function commitAnswer(site: Site, entry: DecidedEntry): CommitAnswer {
  const replicas = site.routes.known.inSync.length;
  return {
    id: entry.id,
    status: 'committed',
    committedAt: toIso(msOf(entry.at)),
    events: entry.events.length,
    replicas,
    atRisk: replicas === 1,
  };
}

export function unknownTransaction(id: string): LockstepError {
  return new LockstepError(
    'UnknownTransaction',
    `there is no transaction ${id}; begin it, with the same id if you like`,
  );
}
