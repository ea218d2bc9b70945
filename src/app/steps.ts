import type { Json } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import type { Perform } from '../ports/workflows.js';
import { moveEverywhere } from './consumers.js';
import { type Auditing, audit, tellAudit } from './audit.js';
import { resolveDiverged } from './diverged.js';
import { failBack } from './failback.js';
import { endIncidents, openIncident, tellIncident } from './incidents.js';
import type { Round } from './overrule.js';
import { tend } from './provision.js';
import {
  type Compared,
  type Copied,
  type Plan,
  compareWindows,
  copyFrom,
  drain,
  letDrain,
  planWindows,
  prove,
} from './reconcile.js';
import { openReconciliation, proofIn, tellReconciliation } from './reconciliations.js';
import { beginJoin, clean, endJoin, fenceSelf, routeIn } from './return.js';
import type { Site } from './site.js';
import { laggingActive } from './switchover.js';
import { finishTakeover } from './takeover.js';
import { forgetTold, readUntold } from './untold.js';

/** What a reconciliation begins with. */
export interface Reconciling {
  /** Of its record. */
  readonly id: string;
  /** The site was out of sync and comes back; else it is only compared. */
  readonly returning: boolean;
  /** Of the return. */
  readonly incident: string;
  /** Only these are compared; all, where there are none. */
  readonly streams?: readonly string[];
}

interface Fenced extends Reconciling {
  readonly round: Round;
}

interface Planned extends Reconciling {
  readonly plan: Plan;
}

interface BothCompared extends Planned {
  readonly before: readonly Compared[];
}

interface Proving extends BothCompared {
  readonly copied: Copied;
}

/**
 * The steps of the workflows: each is a use case that may be repeated, by whatever process comes along. What it has to
 * know it finds in the context, where the steps before it left it; src/workflows/ says which these are.
 */
const STEPS = {
  async fenceSelf(site: Site, { id, incident }: Reconciling) {
    await site.peers.agent((await site.routes.refresh()).home).probe();
    const { term, epoch, home } = await fenceSelf(site);
    await openReconciliation(site, id);
    await openIncident(site, 'return', site.name, `${site.name} is back: it compares itself with ${home}`, {
      id: incident,
    });
    return { term, epoch };
  },

  /** First: of what the other history lacks, some may have been acknowledged. What is then left never was. */
  async resolveDiverged(site: Site, { incident, round }: Fenced) {
    const { conflicts, overruled } = await resolveDiverged(site, round, await routeIn(site, round));
    if (conflicts.length > 0) await tellIncident(site, incident, `${conflicts.length} conflicts were resolved`);
    if (overruled.length > 0) await tellIncident(site, incident, `${overruled.length} decisions were overruled`);
  },

  async clean(site: Site, { incident, round }: Fenced) {
    const overruled = await clean(site, round, (await routeIn(site, round)).home);
    if (overruled.length > 0) await tellIncident(site, incident, `${overruled.length} decisions were overruled`);
  },

  async beginJoin(site: Site, { id, incident, round }: Fenced) {
    const since = await beginJoin(site, round.term);
    await tellIncident(site, incident, `joining since epoch ${since}; reconciliation ${id}`);
    return since;
  },

  async planWindows(site: Site, { id, streams, returning }: Reconciling) {
    const plan = await planWindows(site, id, streams, !returning);
    await tellReconciliation(site, id, { progress: 0.05 });
    return plan;
  },

  async compareWindows(site: Site, { id, plan }: Planned) {
    const tell = (compared: number) => tellReconciliation(site, id, { compared });
    const compared = await compareWindows(site, plan.other, plan.windows, tell);
    await tellReconciliation(site, id, { progress: 0.4 });
    return compared;
  },

  async copyMissing(site: Site, { id, plan, before, streams }: BothCompared) {
    const tell = (entries: number) => tellReconciliation(site, id, { copied: entries });
    const copied = await copyFrom(site, plan, before, streams, tell);
    letDrain(site, id);
    await tellReconciliation(site, id, { progress: 0.7, copied: copied.entries });
    return copied;
  },

  /** Its log is complete: decisions may count on it. Its streams follow. */
  finishJoin: (site: Site, { since }: Reconciling & { readonly since: number }) => endJoin(site, since),

  async drain(site: Site, { id, plan, drained }: Planned & { readonly drained?: { readonly step: number } }) {
    const step = (drained?.step ?? 0) + 1;
    await tellReconciliation(site, id, { progress: 0.8 });
    return { over: await drain(site, plan.streams, step), step };
  },

  async prove(site: Site, { id, incident, returning, plan, before, copied }: Proving) {
    // Repeated, it is the same proof: of what that one has told, some is forgotten already.
    if (!(await proofIn(site, id))) {
      const proof = await prove(site, plan, before, copied.touched, await readUntold(site));
      await tellReconciliation(site, id, { status: 'done', proof });
    }
    const told = await proofIn(site, id);
    if (told) await forgetTold(site, told);
    if (!returning) return;
    await tellIncident(site, incident, `in sync; ${copied.entries} entries were copied`, true);
    await endIncidents(site, `${site.name} is in sync again`, (it) => it.site === site.name);
  },

  async giveUp(site: Site, context: Reconciling & { readonly error: { readonly Cause: string } }) {
    const { id, incident, returning, error } = context;
    await tellAudit(site, id, { status: 'failed', problem: error.Cause });
    await tellReconciliation(site, id, { status: 'failed', problem: error.Cause });
    if (returning) await tellIncident(site, incident, `not yet: ${error.Cause}`, true);
  },

  /** Changes nothing but what it repairs. */
  audit: (site: Site, context: Auditing) => audit(site, context),

  failBack: (site: Site) => failBack(site),

  /** Whatever the request that met the failure has left half-way. */
  finishTakeover: (site: Site) => finishTakeover(site),

  /** Functions that read a stream read its active replica. */
  moveConsumers: (site: Site) => moveEverywhere(site),

  /** Whether each stream is read where its records are level. */
  async verifyActive(site: Site) {
    return { well: (await laggingActive(site)).length === 0 };
  },

  async tellSwitched(site: Site, { incident }: { readonly incident: string }) {
    const lagging = await laggingActive(site);
    const what =
      lagging.length === 0 ? 'every active replica is level' : `still behind where active: ${lagging.join(', ')}`;
    await tellIncident(site, incident, what);
  },

  /** Brings the replicas here one step nearer to their definitions. */
  async tend(site: Site) {
    await tend(site);
    return { over: site.registry.local.every(({ replica }) => replica.state === 'ready') };
  },
} satisfies Readonly<Record<string, (site: Site, context: never) => Promise<unknown>>>;

export type StepName = keyof typeof STEPS;

/** Performs the steps of this site's workflows. @throws LockstepError NotFound where there is no such step */
export function performerOf(site: Site): Perform {
  return async (name, context) => {
    if (!Object.hasOwn(STEPS, name)) throw new LockstepError('NotFound', `there is no step ${name}`);
    // Which members are there is the business of the declaration, which the tests of each workflow run through.
    const steps: Readonly<Record<string, (site: Site, context: never) => Promise<unknown>>> = STEPS;
    return (await steps[name]?.(site, context as never)) as Json | undefined;
  };
}
