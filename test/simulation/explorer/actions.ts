import type { DecidedEntry } from '../../../src/core/entry.js';
import { entryKey, markKey } from '../../../src/core/items.js';
import { sumOf } from '../../../src/core/entry.js';
import type { RouteChange } from '../../../src/core/route.js';
import type { Write } from '../../../src/core/table.js';
import { timestamp } from '../../../src/core/timestamp.js';
import { fenceGuards, raiseGuards } from '../../../src/app/guards.js';
import type { Rules } from './rules.js';
import {
  type Bounds,
  type Coordinator,
  type Helper,
  IDLE,
  KEY,
  type Returner,
  STREAM,
  type State,
  chunksAt,
  decisionAt,
  encoded,
  entryAt,
  guardAt,
  itemsOf,
  markAt,
  termOfEntry,
  tokenOf,
  versionAt,
} from './state.js';
import { COPIES, type Items, afterwards, evaluate } from './tables.js';

/** One step that may be taken: its name, as in docs/spec/Lockstep.tla, and the state after it. */
export interface Step {
  readonly name: string;
  readonly state: State;
}

interface World {
  readonly state: State;
  readonly rules: Rules;
  readonly bounds: Bounds;
}

/** Every step that may be taken in a state. */
export async function stepsFrom(state: State, rules: Rules, bounds: Bounds): Promise<readonly Step[]> {
  const world: World = { state, rules, bounds };
  const steps: Step[] = [];
  state.coordinators.forEach((_, index) => steps.push(...coordinatorSteps(world, index)));
  steps.push(...closeSteps(world), ...routeSteps(world));
  for (const index of state.helpers.keys()) steps.push(...(await helperSteps(world, index)));
  for (const index of state.returners.keys()) steps.push(...(await returnerSteps(world, index)));
  steps.push(...(await openSteps(world)));
  return steps;
}

// ----------------------------------------------------------------------------------------------------- small helpers

const replaced = <T>(list: readonly T[], index: number, item: T): readonly T[] => list.with(index, item);
const withItems = (state: State, site: string, items: Items): State => ({
  ...state,
  tables: { ...state.tables, [site]: items },
});
const withCoordinator = (state: State, index: number, it: Coordinator): State => ({
  ...state,
  coordinators: replaced(state.coordinators, index, it),
});
const withHelper = (state: State, index: number, it: Helper): State => ({
  ...state,
  helpers: replaced(state.helpers, index, it),
});
const withReturner = (state: State, index: number, it: Returner): State => ({
  ...state,
  returners: replaced(state.returners, index, it),
});
const plus = (list: readonly string[], item: string): readonly string[] =>
  list.includes(item) ? list : [...list, item].sort();

/** The writes of a site's transaction: what becomes of the state where they hold. */
function transact(state: State, site: string, writes: readonly Write[]): State | undefined {
  const end = evaluate(itemsOf(state, site), writes);
  return 'items' in end ? withItems(state, site, end.items) : undefined;
}

const chunksOf = (entry: DecidedEntry): Write[] => encoded(entry).chunks.map((chunk) => ({ kind: 'put', ...chunk }));

function* changes(state: State, name: string, change: RouteChange, { maxEpoch }: Bounds): Generator<Step> {
  if ('refused' in change || change.route.epoch > maxEpoch) return;
  // When a site joined last is asked for candidates only, which are not explored.
  const { joined: _joined, ...route } = change.route;
  yield { name, state: { ...state, route } };
}

const standing = (items: Items) => () => versionAt(items)?.version ?? 0;

// ------------------------------------------------------------------------------------------------------ coordinators

function coordinatorSteps(world: World, index: number): Step[] {
  const { state, bounds } = world;
  const it = state.coordinators[index] ?? IDLE;
  if (it.at === 'idle') {
    if (state.route.phase !== 'serving') return [];
    return bounds.transactions.map((id) => ({
      name: `Begin(${id})`,
      state: withCoordinator(state, index, { at: 'start', id, route: state.route }),
    }));
  }
  const crash = { name: 'Crash', state: withCoordinator(state, index, IDLE) };
  if (it.at === 'start') return [crash, ...startSteps(world, index, it)];
  return [crash, ...(it.at === 'decided' ? applySteps(world, index, it) : clearSteps(world, index, it))];
}

/** Decide what is not decided; finish what is; tell what is everywhere. */
function startSteps(world: World, index: number, it: Coordinator & { readonly at: 'start' }): Step[] {
  const { state } = world;
  const { id, route } = it;
  const items = itemsOf(state, route.home);
  const found = entryAt(items, id);
  if (!found) return decideSteps(world, index, it);
  const mark = markAt(items, id);
  if (!mark) {
    const told = { ...state, acked: plus(state.acked, tokenOf(found)) };
    return [{ name: 'Tell', state: withCoordinator(told, index, IDLE) }];
  }
  const next: Coordinator = { at: 'decided', id, route, entry: found, markEpoch: mark.epoch, logged: [] };
  return [{ name: 'Help', state: withCoordinator(state, index, next) }];
}

function decideSteps(
  { state, rules, bounds }: World,
  index: number,
  it: Coordinator & { readonly at: 'start' },
): Step[] {
  const { id, route } = it;
  const items = itemsOf(state, route.home);
  const before = bounds.versioned ? versionAt(items) : undefined;
  // A predecessor that is still pending is applied first.
  const pending = before && markAt(items, before.id);
  if (pending && !state.acked.includes(`${before.id}@${before.at}`)) return [];
  const at = timestamp(route.term, bounds.transactions.indexOf(id) + 1);
  const version = bounds.versioned ? { version: (before?.version ?? 0) + 1 } : {};
  const after = before ? { after: { at: before.at, id: before.id } } : {};
  const event = { stream: STREAM, key: KEY, type: 't', data: id, digest: id, number: 0, ...version, ...after };
  const entry: DecidedEntry = {
    id,
    status: 'committed',
    at,
    streams: [STREAM],
    startedAtMs: 0,
    expiresAtMs: 0,
    events: [event],
  };
  const decided = transact(state, route.home, [
    rules.checkDecisionGuard(0, route, at),
    ...rules.logWrites({
      entry,
      encoded: encoded(entry),
      markEpoch: route.epoch,
      when: rules.originCondition({ kind: 'one-shot' }),
      buckets: COPIES,
      versions: rules.followOn(entry),
    }),
    ...chunksOf(entry),
  ]);
  if (!decided) return [];
  const next: Coordinator = { at: 'decided', id, route, entry, markEpoch: route.epoch, logged: [] };
  return [{ name: `Decide(${id})`, state: withCoordinator(decided, index, next) }];
}

type Applying = Coordinator & { readonly at: 'decided' | 'applied' };

function applySteps(world: World, index: number, it: Applying): Step[] {
  const { state, rules } = world;
  const steps: Step[] = [];
  const { route } = state;
  // As in `routeFor` of src/app/apply.ts: a newer route of the same term; none that is older than the mark counts.
  if (route.epoch > it.route.epoch && route.term === it.route.term) {
    steps.push({ name: 'Refresh', state: withCoordinator(state, index, { ...it, route }) });
  }
  if (it.route.epoch < it.markEpoch) return steps;
  const followers = rules.followersOf(it.route);
  for (const site of followers.filter((name) => !it.logged.includes(name))) {
    const after = replicate(world, it, site);
    if (!after) continue;
    const next = { ...it, logged: plus(it.logged, site) };
    steps.push({ name: `Replicate(${site})`, state: withCoordinator(after, index, next) });
  }
  if (followers.every((name) => it.logged.includes(name))) {
    const token = tokenOf(it.entry);
    const applied = { ...state, out: plus(state.out, token), acked: plus(state.acked, token) };
    const next: Coordinator = { ...it, at: 'applied', logged: [] };
    steps.push({ name: 'Apply', state: withCoordinator(applied, index, next) });
  }
  return steps;
}

/** The conditional transaction of `takeDecisions`; what stands there already is logged, too. */
function replicate({ state, rules }: World, { route, entry }: Applying, site: string): State | undefined {
  const items = itemsOf(state, site);
  const guard = rules.checkTerm(0, route.term);
  const joining = route.joining[site] !== undefined;
  const written = transact(state, site, [
    guard,
    ...rules.logWrites({
      entry,
      encoded: encoded(entry),
      markEpoch: route.epoch,
      when: rules.newOrOpen,
      buckets: COPIES,
      versions: joining ? rules.raiseVersions(entry, standing(items)) : rules.followOn(entry),
    }),
    ...chunksOf(entry),
  ]);
  if (written) return written;
  const there = entryAt(items, entry.id);
  const isSame = there !== undefined && sumOf(there) === sumOf(entry);
  return isSame && 'items' in evaluate(items, [guard]) ? state : undefined;
}

function clearSteps({ state, rules }: World, index: number, it: Applying): Step[] {
  const cleared = transact(state, it.route.home, [rules.clearMark(it.id, it.markEpoch, COPIES)]);
  return [{ name: 'Clear', state: withCoordinator(cleared ?? state, index, IDLE) }];
}

// ----------------------------------------------------------------------------------------------------------- closing

/** A follower in sync is told a bar: home has applied what is at or below it. */
function closeSteps({ state, rules, bounds }: World): Step[] {
  const { route } = state;
  if (route.phase !== 'serving') return [];
  const home = itemsOf(state, route.home);
  return route.inSync.flatMap((site) => {
    const items = itemsOf(state, site);
    if (site === route.home || guardAt(items).term !== route.term) return [];
    return bounds.transactions.flatMap((id) => {
      const mark = markAt(items, id);
      const entry = entryAt(home, id);
      const isApplied = entry && (!markAt(home, id) || state.acked.includes(tokenOf(entry)));
      const after = mark && isApplied && transact(state, site, [rules.clearMark(id, mark.epoch, COPIES)]);
      return after ? [{ name: `Close(${site}, ${id})`, state: after }] : [];
    });
  });
}

// ----------------------------------------------------------------------------------------------------- route changes

function routeSteps({ state, rules, bounds }: World): Step[] {
  const { route } = state;
  const others = bounds.sites.filter((site) => site !== route.home);
  return others.flatMap((site) => {
    const steps = [...changes(state, `Shrink(${site})`, rules.shrink(route, site, 1), bounds)];
    if (route.term === bounds.maxTerm) return steps;
    const request = { to: site, startedAtMs: 0 };
    const reset = { ...state, served: 0 };
    steps.push(...changes(reset, `Takeover(${site})`, rules.takeOver(route, request), bounds));
    const keep = { ...request, keepOldHome: true };
    if (bounds.moves) steps.push(...changes(reset, `Move(${site})`, rules.takeOver(route, keep), bounds));
    return steps;
  });
}

/** Whoever opens may have read the route long ago: the first serving epoch of the term is the worst case. */
async function openSteps({ state }: World): Promise<Step[]> {
  const { route, served } = state;
  const items = itemsOf(state, route.home);
  if (route.phase !== 'serving' || guardAt(items).open) return [];
  const end = await afterwards(items, (site) => raiseGuards(site, route.term, served, true));
  return end.answer === 'done' ? [{ name: 'Open', state: withItems(state, route.home, end.items) }] : [];
}

// --------------------------------------------------------------------------------------------------------- takeovers

async function helperSteps(world: World, index: number): Promise<Step[]> {
  const { state } = world;
  const it = state.helpers[index] ?? IDLE;
  if (it.at === 'idle') {
    if (state.route.phase === 'serving') return [];
    const next: Helper = { at: 'fence', route: state.route, done: [], best: {} };
    return [{ name: 'HelpTakeover', state: withHelper(state, index, next) }];
  }
  const dies = { name: 'HelperDies', state: withHelper(state, index, IDLE) };
  const waiting = it.route.inSync.filter((site) => !it.done.includes(site));
  if (it.at === 'fence') {
    return [dies, ...(await Promise.all(waiting.map((site) => fenceStep(state, index, it, site))))];
  }
  if (it.at === 'collect') return [dies, ...waiting.map((site) => collectStep(world, index, it, site))];
  return [dies, ...adoptSteps(world, index, it), ...serveSteps(world, index, it)];
}

type Helping = Exclude<Helper, { readonly at: 'idle' }>;

/** The next site of a phase is done; after the last one the next phase begins. */
const further = (it: Helping, site: string, then: 'collect' | 'adopt'): Helping => {
  const done = plus(it.done, site);
  const all = it.route.inSync.every((name) => done.includes(name));
  return all ? { ...it, at: then, done: [] } : { ...it, done };
};

async function fenceStep(state: State, index: number, it: Helping, at: string): Promise<Step> {
  const { term, epoch } = it.route;
  const end = await afterwards(itemsOf(state, at), (site) => fenceGuards(site, term, epoch));
  const next = end.answer === 'done' ? further(it, at, 'collect') : IDLE;
  return { name: `Fence(${at})`, state: withHelper(withItems(state, at, end.items), index, next) };
}

function collectStep({ state, bounds }: World, index: number, it: Helping, site: string): Step {
  const items = itemsOf(state, site);
  const best = { ...it.best };
  for (const id of bounds.transactions) {
    const entry = markAt(items, id) && entryAt(items, id);
    if (entry && termOfEntry(entry) > termOfEntry(best[id])) best[id] = entry;
  }
  return { name: `Collect(${site})`, state: withHelper(state, index, { ...further(it, site, 'adopt'), best }) };
}

const hasAdopted = (state: State, site: string, entry: DecidedEntry): boolean => {
  const there = entryAt(itemsOf(state, site), entry.id);
  return there !== undefined && (tokenOf(there) === tokenOf(entry) || termOfEntry(there) >= termOfEntry(entry));
};

function adoptSteps({ state, rules }: World, index: number, it: Helping): Step[] {
  const { term, epoch, inSync } = it.route;
  const inOrder = Object.values(it.best).sort((a, b) => (a.at < b.at ? -1 : 1));
  return inSync.flatMap((site) => {
    const entry = inOrder.find((one) => !hasAdopted(state, site, one));
    if (!entry) return [];
    const items = itemsOf(state, site);
    const there = entryAt(items, entry.id);
    const adopted = transact(state, site, [
      rules.checkRound(0, term, epoch),
      ...rules.logWrites({
        entry,
        encoded: encoded(entry),
        markEpoch: epoch,
        when: there ? [[{ attribute: 'status', is: '=', value: there.status }]] : ['absent'],
        buckets: COPIES,
        versions: rules.raiseVersions(entry, standing(items)),
      }),
      ...chunksOf(entry),
    ]);
    return [{ name: `Adopt(${site}, ${entry.id})`, state: adopted ?? withHelper(state, index, IDLE) }];
  });
}

function serveSteps({ state, rules, bounds }: World, index: number, it: Helping): Step[] {
  const { route } = state;
  const isDone = it.route.inSync.every((site) => Object.values(it.best).every((one) => hasAdopted(state, site, one)));
  if (!isDone || route.epoch !== it.route.epoch) return [];
  return [...changes(state, 'Serve', rules.serve(route, it.route.term), bounds)].map((step) => ({
    ...step,
    state: withHelper({ ...step.state, served: step.state.route.epoch }, index, IDLE),
  }));
}

// ------------------------------------------------------------------------------------------------------------ return

type Returning = Exclude<Returner, { readonly at: 'idle' }>;

async function returnerSteps(world: World, index: number): Promise<Step[]> {
  const { state } = world;
  const it = state.returners[index] ?? IDLE;
  if (it.at === 'idle') return returnSteps(world, index);
  const dies = { name: 'ReturnerDies', state: withReturner(state, index, IDLE) };
  const steps = {
    fence: () => fenceSelf(state, index, it, 'look'),
    look: () => lookSteps(world, index, it),
    clean: () => cleanSteps(world, index, it),
    fenceJoin: () => fenceSelf(state, index, it, 'join'),
    join: () => joinSteps(world, index, it),
    raise: () => raiseSteps(state, index, it),
    copy: () => copySteps(world, index, it),
  };
  return [dies, ...(await steps[it.at]())];
}

function returnSteps({ state, rules, bounds }: World, index: number): Step[] {
  const { route } = state;
  if (route.phase !== 'serving') return [];
  const out = bounds.sites.filter((site) => !route.inSync.includes(site));
  return out.flatMap((site) => {
    if (isTaken(state, site))
      return [...changes(state, `BeginReturn(${site})`, rules.beginReturn(route, site), bounds)];
    const { term, epoch, home } = route;
    const next: Returner = { at: 'fence', site, home, term, epoch, since: 0, alone: {}, rest: [], done: [] };
    return { name: `Return(${site})`, state: withReturner(state, index, next) };
  });
}

/** An earlier attempt is joining, or has left the guards ahead of the route. */
function isTaken(state: State, site: string): boolean {
  const { route } = state;
  const guard = guardAt(itemsOf(state, site));
  return route.joining[site] !== undefined || (guard.term === route.term && guard.epoch > route.epoch);
}

async function fenceSelf(state: State, index: number, it: Returning, then: 'look' | 'join'): Promise<Step[]> {
  const end = await afterwards(itemsOf(state, it.site), (site) => fenceGuards(site, it.term, it.epoch));
  const next: Returner = end.answer === 'done' ? { ...it, at: then } : IDLE;
  return [{ name: 'FenceSelf', state: withReturner(withItems(state, it.site, end.items), index, next) }];
}

function lookSteps({ state, bounds }: World, index: number, it: Returning): Step[] {
  const [here, there] = [itemsOf(state, it.site), itemsOf(state, it.home)];
  const alone: Record<string, DecidedEntry> = {};
  for (const id of bounds.transactions) {
    const entry = markAt(here, id) && entryAt(here, id);
    const other = entryAt(there, id);
    if (entry && (!other || sumOf(other) !== sumOf(entry))) alone[id] = entry;
  }
  return [{ name: 'Look', state: withReturner(state, index, { ...it, at: 'clean', alone }) }];
}

function cleanSteps(world: World, index: number, it: Returning): Step[] {
  const { state, rules } = world;
  const [newest] = Object.values(it.alone).sort((a, b) => (a.at < b.at ? 1 : -1));
  const steps: Step[] = [];
  if (newest) {
    const gone = transact(state, it.site, [
      rules.checkRound(0, it.term, it.epoch),
      { kind: 'delete', key: entryKey(newest.id), when: [[{ attribute: 'at', is: '=', value: newest.at }]] },
      { kind: 'delete', key: markKey(newest.id, COPIES) },
      ...rules.setBackVersions(newest),
    ]);
    const alone = Object.fromEntries(Object.entries(it.alone).filter(([id]) => id !== newest.id));
    const next = gone ? { ...it, alone, rest: plus(it.rest, newest.id) } : IDLE;
    steps.push({ name: `Overrule(${newest.id})`, state: withReturner(gone ?? state, index, next) });
  }
  for (const id of it.rest) steps.push(dropRest(world, index, it, id));
  // The fence for the joining comes before it.
  const prepared: Returner = { ...it, at: 'fenceJoin', epoch: state.route.epoch + 1 };
  if (!newest && it.rest.length === 0) steps.push({ name: 'PrepareJoin', state: withReturner(state, index, prepared) });
  return steps;
}

/** Its chunks, in a step of their own. */
function dropRest({ state, rules }: World, index: number, it: Returning, id: string): Step {
  const deletes = chunksAt(itemsOf(state, it.site), id).map((key): Write => ({ kind: 'delete', key }));
  const gone = transact(state, it.site, [rules.checkRound(0, it.term, it.epoch), ...deletes]);
  const next = gone ? { ...it, rest: it.rest.filter((other) => other !== id) } : IDLE;
  return { name: `DropRest(${id})`, state: withReturner(gone ?? state, index, next) };
}

/** Only where nothing has changed since the fence for it. */
function joinSteps({ state, rules, bounds }: World, index: number, it: Returning): Step[] {
  const { route } = state;
  if (route.phase !== 'serving' || route.term !== it.term || route.inSync.includes(it.site)) return [];
  const since = route.epoch + 1;
  const joined = rules.startJoin(route, it.site);
  if (since !== it.epoch || 'refused' in joined) {
    return since > bounds.maxEpoch ? [] : [{ name: 'JoinStart (late)', state: withReturner(state, index, IDLE) }];
  }
  return [...changes(state, 'JoinStart', joined, bounds)].map((step) => ({
    ...step,
    state: withReturner(step.state, index, { ...it, at: 'raise', since }),
  }));
}

async function raiseSteps(state: State, index: number, it: Returning): Promise<Step[]> {
  const end = await afterwards(itemsOf(state, it.home), (site) => raiseGuards(site, it.term, it.since, false));
  const next: Returner = end.answer === 'done' ? { ...it, at: 'copy' } : IDLE;
  return [{ name: 'Raise', state: withReturner(withItems(state, it.home, end.items), index, next) }];
}

function copySteps(world: World, index: number, it: Returning): Step[] {
  const { state, rules, bounds } = world;
  const waiting = bounds.transactions.filter((id) => !it.done.includes(id));
  if (waiting.length === 0) {
    return [...changes(state, 'JoinEnd', rules.finishJoin(state.route, it.site, it.since), bounds)].map((step) => ({
      ...step,
      state: withReturner(step.state, index, IDLE),
    }));
  }
  const home = itemsOf(state, it.home);
  const versionOf = (id: string) => entryAt(home, id)?.events[0]?.version ?? 0;
  return waiting
    .filter((id) => versionOf(id) === 0 || waiting.every((u) => versionOf(u) === 0 || versionOf(id) <= versionOf(u)))
    .map((id) => ({ name: `Copy(${id})`, state: copy(world, index, it, id) }));
}

function copy({ state, rules }: World, index: number, it: Returning, id: string): State {
  const [here, home] = [itemsOf(state, it.site), itemsOf(state, it.home)];
  const entry = entryAt(home, id);
  const done = withReturner(state, index, { ...it, done: plus(it.done, id) });
  if (!entry || decisionAt(here, id) === tokenOf(entry)) return done;
  const mark = markAt(home, id);
  const written = transact(done, it.site, [
    rules.checkTerm(0, it.term),
    ...rules.logWrites({
      entry,
      encoded: encoded(entry),
      ...(mark ? { markEpoch: mark.epoch } : {}),
      when: rules.newOrOpen,
      buckets: COPIES,
      versions: rules.raiseVersions(entry, standing(here)),
    }),
    ...chunksOf(entry),
  ]);
  return written ?? withReturner(state, index, IDLE);
}
