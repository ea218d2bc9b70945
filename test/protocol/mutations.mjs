/**
 * Whether the tests of the protocol would notice: each rule is broken in a copy of the sources, and some test has to
 * fail. `node test/protocol/mutations.mjs [--only NAME] [--seeds 1-10]`
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const LIMIT_MS = 110_000;

/** A rule, and what in the sources keeps it: `find` stands exactly once in the file. */
const MUTATIONS = [
  {
    name: 'logsFirst',
    file: 'src/app/apply.ts',
    find: '  const { route, behind } = await replicateEverywhere(site, tasks);\n',
    replace:
      '  await putHere(\n    site,\n    tasks.map((task) => task.entry),\n  );\n' +
      '  const { route, behind } = await replicateEverywhere(site, tasks);\n',
  },
  {
    name: 'ackApplied',
    file: 'src/app/apply.ts',
    find: 'return marked.markEpoch === undefined ? undefined : { entry: marked.entry, markEpoch: marked.markEpoch, term };',
    replace: 'return term < 0 ? { entry: marked.entry, markEpoch: 0, term } : undefined;',
  },
  {
    name: 'mirrorLogsFirst',
    file: 'src/app/apply.ts',
    find: 'tasks, followers.length === 1)',
    replace: 'tasks, true)',
  },
  {
    name: 'putRoute',
    file: 'src/app/apply.ts',
    find:
      'attempt === 0 && known.epoch >= markEpoch ? known : await newest(site);\n' +
      '  if (route.epoch < markEpoch) throw undetermined();',
    replace: 'attempt === 0 ? known : await newest(site);',
  },
  {
    name: 'clearRoute',
    file: 'src/app/apply.ts',
    find: '  if (route.epoch < markEpoch) throw undetermined();\n',
    replace: '',
  },
  {
    name: 'guardsBeforeCopy',
    file: 'src/app/return.ts',
    find: "if ((await home.raise({ term: route.term, epoch: since })) === 'stale') {",
    replace: 'if (since < 0) {',
  },
  {
    name: 'guardEpoch',
    file: 'src/core/plan.ts',
    find: "        { attribute: 'epoch', is: '<=', value: route.epoch },\n        { attribute: 'bar'",
    replace: "        { attribute: 'bar'",
  },
  {
    name: 'joiningMiss',
    file: 'src/app/apply.ts',
    find: 'const missing = followers.filter((follower) => !logged.has(follower));',
    replace:
      'const missing = followers.filter((follower) => !logged.has(follower) && route.joining[follower] === undefined);',
  },
  {
    name: 'joinIncarnation',
    file: 'src/core/route.ts',
    find: 'if (route.joining[site] !== since)',
    replace: 'if (route.joining[site] === undefined)',
  },
  {
    name: 'fence',
    file: 'src/core/plan.ts',
    find: "when: [[{ attribute: 'term', is: '=', value: term }]] };",
    replace: "when: [[{ attribute: 'term', is: '>=', value: term }]] };",
  },
  {
    // Term, epoch, bar and shutting refuse it alike: only all of them together can be missed.
    name: 'fence (decisions)',
    file: 'src/core/plan.ts',
    find:
      "        { attribute: 'open', is: '=', value: true },\n        { attribute: 'term', is: '=', value: route.term },\n" +
      "        { attribute: 'epoch', is: '<=', value: route.epoch },\n        { attribute: 'bar', is: '<', value: lowest },\n",
    replace: "        { attribute: 'bar', is: '>=', value: lowest.slice(0, 0) },\n",
  },
  {
    name: 'fence (guards shut)',
    file: 'src/app/guards.ts',
    find: 'bar: timestamp(term, 0), open: false };',
    replace: 'bar: timestamp(term, 0), open: true };',
  },
  {
    name: 'fenceFirst',
    file: 'src/app/takeover.ts',
    find: 'route.inSync.map((at) => fence(site, route, at))',
    replace: 'route.inSync.map((at) => (at === site.name ? fence(site, route, at) : true))',
  },
  {
    name: 'fenceFirst (silent ones are left)',
    file: 'src/app/takeover.ts',
    find: '  if (silent.length === 0) return true;',
    replace: '  if (!silent.includes(route.home)) return true;',
  },
  {
    name: 'adopt',
    file: 'src/app/takeover.ts',
    find: '  if (entries.length === 0) return;',
    replace: '  if (entries.length >= 0) return;',
  },
  {
    name: 'adopt (only in its own round)',
    file: 'src/core/plan.ts',
    find: "        { attribute: 'open', is: '=', value: false },\n        { attribute: 'term', is: '=', value: term },\n        { attribute: 'epoch', is: '=', value: epoch },\n",
    replace:
      "        { attribute: 'term', is: '=', value: term },\n        { attribute: 'epoch', is: '>=', value: Math.min(epoch, 0) },\n",
  },
  {
    name: 'followerMark',
    file: 'src/app/replicate.ts',
    find: '      markEpoch: request.epoch,\n',
    replace: '',
  },
  {
    name: 'joiningOut',
    file: 'src/core/route.ts',
    find: '    inSync,\n    joining: {},',
    replace: '    inSync,\n    joining: route.joining,',
  },
  {
    name: 'overrule',
    file: 'src/app/return.ts',
    find: '  for (const entry of strangers) await overrule(site, route, entry);\n',
    replace: '',
  },
  {
    name: 'overrule (newest first)',
    file: 'src/app/return.ts',
    find: 'strangers.sort((a, b) => (a.at < b.at ? 1 : -1));',
    replace: 'strangers.sort((a, b) => (a.at < b.at ? -1 : 1));',
  },
  {
    name: 'clock ahead',
    file: 'src/app/site.ts',
    find: '    if (aheadMs > this.options.readMarginMs / 2) {\n',
    replace: '    if (aheadMs > Number.MAX_SAFE_INTEGER) {\n',
  },
  {
    name: 'return in rounds',
    file: 'src/app/return.ts',
    find: '  await fenceSelf(site, { term, epoch: since });\n',
    replace: '',
  },
  {
    name: 'selfFence',
    file: 'src/app/return.ts',
    find: '  await fenceSelf(site, route);\n',
    replace: '  if (route.term < 0) await fenceSelf(site, route);\n',
  },
  {
    name: 'cleanFirst',
    file: 'src/app/return.ts',
    find:
      '    const overruled = await clean(site, route, home);\n' +
      '    if (overruled.length > 0) await tellIncident(site, incident.id, `${overruled.length} decisions were overruled`);\n' +
      '    const since = await beginJoin(site, route.term);\n',
    replace:
      '    const since = await beginJoin(site, route.term);\n' +
      '    const overruled = await clean(site, route, home);\n' +
      '    if (overruled.length > 0) await tellIncident(site, incident.id, `${overruled.length} decisions were overruled`);\n',
  },
  {
    name: 'versionBack',
    file: 'src/app/overrule.ts',
    find: '    ...setBackVersions(entry),\n',
    replace: '',
  },
  {
    name: 'serveLast',
    file: 'src/app/takeover.ts',
    find: '    await adoptAll(site, route);\n    const outcome',
    replace: '    setTimeout(() => void adoptAll(site, route).catch(() => undefined), 1);\n    const outcome',
  },
  {
    name: 'mark (only the one read)',
    file: 'src/core/plan.ts',
    find: "        { attribute: 'state', is: '=', value: 'pending' },\n        { attribute: 'epoch', is: '=', value: epoch },\n",
    replace: "        { attribute: 'state', is: '=', value: epoch < 0 ? '' : 'pending' },\n",
  },
  {
    name: 'guards (all copies count)',
    file: 'src/app/guards.ts',
    find: 'const copies = Array.from({ length: site.copies }, (_, copy) => copy);',
    replace: 'const copies = Array.from({ length: 1 }, (_, copy) => copy);',
  },
  {
    name: 'guards (only upward)',
    file: 'src/app/guards.ts',
    find: "    if (before && before.term > term) return 'refused';\n",
    replace: '',
  },
  {
    name: 'bar',
    file: 'src/core/plan.ts',
    find: "        { attribute: 'bar', is: '<', value: lowest },\n",
    replace: "        { attribute: 'bar', is: '<=', value: lowest < '' ? lowest : '9' },\n",
  },
  {
    name: 'identity before versions',
    file: 'src/app/decide.ts',
    find: 'verdicts.set(proposal, await identityFirst(site, proposal, draft.refused));',
    replace: "verdicts.set(proposal, { kind: 'refused', error: draft.refused });",
  },
  {
    name: 'predecessor first',
    file: 'src/app/decide.ts',
    find: '  await applyPredecessors(site, [...predecessors]);\n',
    replace: '  if (predecessors.has("")) await applyPredecessors(site, [...predecessors]);\n',
  },
  {
    name: 'versions follow on (followers)',
    file: 'src/app/replicate.ts',
    find: 'request.joining ? await upward(site, entry) : followOn(entry)',
    replace: 'request.joining || followOn(entry) ? await upward(site, entry) : []',
  },
  {
    name: 'versions follow on (home)',
    file: 'src/core/plan.ts',
    find: "    when: [first === 1 ? 'absent' : [{ attribute: 'version', is: '=', value: first - 1 }]],\n",
    replace: "    when: [first === 1 ? 'absent' : [{ attribute: 'version', is: '>=', value: 0 }], []],\n",
  },
  {
    name: 'first decision counts',
    file: 'src/app/decide.ts',
    find: "const same = wanted === 'aborted' || sameDigests(",
    replace: "const same = wanted !== '' || sameDigests(",
  },
  {
    name: 'unknown outcome has one effect',
    file: 'src/core/plan.ts',
    find: "if (origin.kind === 'one-shot') return ['absent'];",
    replace: "if (origin.kind === 'one-shot') return ['absent', []];",
  },
  {
    name: 'EventsMissing',
    file: 'src/app/commit.ts',
    find: '  if (missing.length > 0) {',
    replace: '  if (missing.length > 500) {',
  },
  {
    name: 'all events are named',
    file: 'src/app/commit.ts',
    find: '  if (left.length > 0) {',
    replace: '  if (left.length > 500) {',
  },
  {
    name: 'held events missing are sent whole',
    file: 'src/app/apply.ts',
    find: 'entries = tasks.filter(({ entry }) => again.has(entry.id)).map(({ entry }) => entry);',
    replace: 'entries = entries.filter((entry) => again.has(entry.id));',
  },
  {
    name: 'NotEnoughReplicas before the decision',
    file: 'src/app/decide.ts',
    find: '    if (route.inSync.length < site.options.minInSync) {',
    replace: '    if (route.inSync.length < 1) {',
  },
  {
    name: 'Undetermined after the decision',
    file: 'src/app/apply.ts',
    find: "return new LockstepError('Undetermined',",
    replace: "return new LockstepError('NotEnoughReplicas',",
  },
  {
    name: 'expired after its abort',
    file: 'src/app/abort.ts',
    find: 'return refusalFor(await decideAbort(site, id, EXPIRED));',
    replace:
      "void decideAbort(site, id, EXPIRED).catch(() => undefined);\n    return new LockstepError('TransactionExpired', 'x');",
  },
  {
    name: 'late commit checks itself',
    file: 'src/app/commit.ts',
    find: 'if (!isDecided(state.entry) && state.entry.expiresAtMs <= site.clock.now()) throw await expire(site, id);',
    replace: 'if (!isDecided(state.entry) && state.entry.expiresAtMs < 0) throw await expire(site, id);',
  },
  {
    name: 'sweep aborts what expired',
    file: 'src/app/sweep.ts',
    find: '    await expire(site, id);\n',
    replace: "    if (id === '') await expire(site, id);\n",
  },
  {
    name: 'sweep applies what is pending',
    file: 'src/app/sweep.ts',
    find: '  await applyPending(site);\n',
    replace: '  if (term < 0) await applyPending(site);\n',
  },
  {
    name: 'chunks before the decision',
    file: 'src/app/log.ts',
    find: '  for (const chunk of encoded.chunks) {\n    await site.tables',
    replace:
      '  for (const chunk of encoded.chunks) {\n    void site.clock.sleep(1).then(() => undefined);\n    if (encoded.chunks.length > 1) continue;\n    await site.tables',
  },
  {
    name: 'stagings carry what begin said',
    file: 'src/app/stage.ts',
    find: 'item: encodeOpen(entry, site.copies, next), when:',
    replace: 'item: encodeOpen({ ...entry, streams: [], expiresAtMs: 0 }, site.copies, next), when:',
  },
  {
    name: 'eager is staged everywhere',
    file: 'src/app/write.ts',
    find: 'waitsForMirrors(entry.replication) ? stageEverywhere(',
    replace: "waitsForMirrors(entry.replication) && entry.id === '' ? stageEverywhere(",
  },
  {
    name: 'at-commit is not',
    file: 'src/core/plan.ts',
    find: "boolean => replication === 'eager';",
    replace: 'boolean => replication !== undefined;',
  },
  {
    name: 'backlog does not block',
    file: 'src/app/put.ts',
    find: '  await joinBacklog(site, stream, refused);\n  return false;',
    replace: "  await joinBacklog(site, stream, refused);\n  throw new PortUnavailable('the stream takes nothing');",
    imports: "import { PortUnavailable } from '../ports/failures.js';\n",
  },
  {
    name: 'backlog is joined behind',
    file: 'src/app/put.ts',
    find: 'const isWaiting = (site: Site, stream: string): boolean =>\n  site.behind.has(stream) ||',
    replace: 'const isWaiting = (site: Site, stream: string): boolean =>',
  },
  {
    name: 'backlog is drained in order',
    file: 'src/core/items.ts',
    find: '  sk: `${at}/${id}`,\n});\nexport const closedKey',
    replace: '  sk: `${at.slice(0, 0)}${id}`,\n});\nexport const closedKey',
  },
  {
    name: 'closed never passes a backlog',
    file: 'src/app/close.ts',
    find: '      if (rows.length > 0) return;\n',
    replace: '      if (rows.length > 999) return;\n',
  },
  {
    name: 'closed after all is applied',
    file: 'src/app/close.ts',
    find: '  await applyPending(site, bar);\n  await closeStreams(site, bar);',
    replace: '  void applyPending(site, bar).catch(() => undefined);\n  await closeStreams(site, bar);',
  },
  {
    name: 'switchover by the request',
    file: 'src/app/apply.ts',
    find: '  await keepActive(site, streams, behind);\n',
    replace: '  if (ids.length < 0) await keepActive(site, streams, behind);\n',
  },
  {
    name: 'switchover only to a level replica',
    file: 'src/app/switchover.ts',
    find: 'behind.get(name)?.includes(stream) === false,',
    replace: 'name !== route.active[stream],',
  },
  {
    name: 'minInSync',
    file: 'src/core/route.ts',
    find: 'if (route.inSync.length - 1 < minInSync)',
    replace: 'if (minInSync < 0)',
  },
  {
    name: 'takeover after own probe',
    file: 'src/app/watch.ts',
    find: '  if (await probe(site, route.home)) return false;\n',
    replace: '',
  },
  {
    name: 'takeover without a witness',
    file: 'src/app/watch.ts',
    find: '  return seen.includes(true);\n',
    replace: '  return seen.length < 0;\n',
  },
  {
    name: 'planned move keeps the old home',
    file: 'src/core/route.ts',
    find: '(keepOldHome || site !== route.home)',
    replace: 'site !== route.home',
  },
  {
    name: 'deposed home passes on',
    file: 'src/app/service.ts',
    find: '    if (error instanceof NotHomeAnyMore || home === this.#site.name) return this.#lookAgain();\n',
    replace:
      '    if (error instanceof NotHomeAnyMore) throw error;\n    if (home === this.#site.name) return this.#lookAgain();\n',
  },
  {
    name: 'deposed home: the same id',
    file: 'src/app/service.ts',
    find: "return this.#atHome('commitOnce', [named],",
    replace: "return this.#atHome('commitOnce', [{ ...named, id: this.#site.newId() }],",
  },
  {
    name: 'ids kept while a site is missing',
    file: 'src/app/sweep.ts',
    find: '  if (inSync.length < site.ports.deployment.sites.length) return;\n',
    replace: '  if (inSync.length < 1) return;\n',
  },
  {
    name: 'WriteConflict is retried (decision)',
    file: 'src/app/decide.ts',
    find: 'PortThrottled, WriteConflict, ConditionFailed].some(',
    replace: 'PortThrottled, ConditionFailed].some(',
  },
  {
    name: 'WriteConflict is retried (follower)',
    file: 'src/app/replicate.ts',
    find: '    if (error instanceof WriteConflict) {\n',
    replace: '    if (error instanceof WriteConflict && request.term < 0) {\n',
  },
  {
    name: 'WriteConflict is retried (staging)',
    file: 'src/app/serving.ts',
    find: '        error instanceof WriteConflict ||\n',
    replace: '',
  },
  {
    name: 'batch outcomes are independent',
    file: 'src/app/commit-queue.ts',
    find: "if (verdict.kind === 'refused') waiting.reject(verdict.error);",
    replace: "if (verdict.kind === 'refused') throw verdict.error;",
  },
  {
    name: 'batch: one does not hold up the others',
    file: 'src/app/commit-queue.ts',
    find: 'else await Promise.all(decided.map((one) => this.#apply([one])));',
    replace: 'else for (const { waiting } of decided) waiting.reject(error);',
  },
  {
    name: 'unclean: taken over',
    file: 'src/app/diverged.ts',
    find: 'if (met.wins && (await',
    replace: 'if (met.wins && met.conflicts.length > 99 && (await',
  },
  {
    name: 'unclean: names the old decision',
    file: 'src/app/diverged.ts',
    find: '      takenFrom: entry.at,\n',
    replace: '',
  },
  {
    name: 'unclean: conflicts are recorded',
    file: 'src/app/diverged.ts',
    find: '  for (const { stream, key, other, by } of met) {',
    replace: '  for (const { stream, key, other, by } of met.slice(99)) {',
  },
  {
    name: 'unclean: by commit',
    file: 'src/core/conflict.ts',
    find: 'return aMs === bMs ? a.id > b.id : aMs > bMs;',
    replace: 'return aMs === bMs ? a.id > b.id : aMs < bMs;',
  },
  {
    name: 'unclean: by event',
    file: 'src/core/conflict.ts',
    find: 'event.time === undefined ? committedMs : Date.parse(event.time)',
    replace: 'event.time === undefined ? committedMs : Math.max(committedMs, 0)',
  },
  {
    name: 'unclean: by ingest',
    file: 'src/core/conflict.ts',
    find: "  if (by === 'ingest') return entry.startedAtMs;\n",
    replace: '',
  },
  {
    name: 'unclean: each conflict once',
    file: 'src/core/conflict.ts',
    find: 'const [first, second] = [`${a.id}@${a.at}`, `${b.id}@${b.at}`].sort();',
    replace: 'const [first, second] = [`${a.id}@${a.at}`, `${b.id}@${b.at}@${Math.random()}`].sort();',
  },
];

function argument(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** A copy of what the tests need; the working tree is never touched. */
function copyTree() {
  const copy = mkdtempSync(join(tmpdir(), 'lockstep-mutations-'));
  for (const name of ['src', 'test/protocol', 'test/support', 'jest.config.mjs', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** The scenarios first: they name the rule. Walks only where no scenario fails. What is known to fail says nothing. */
function firstFailure(copy, seeds) {
  return (
    run(copy, ['--testPathIgnorePatterns', 'random.test|found.test'], seeds) ?? run(copy, ['-t', 'random walks'], seeds)
  );
}

function run(copy, which, seeds) {
  const jest = join(copy, 'node_modules/jest/bin/jest.js');
  const args = [jest, 'test/protocol', '--bail', '--silent', '--runInBand', ...which];
  const ended = spawnSync(process.execPath, args, {
    cwd: copy,
    encoding: 'utf8',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WALK_SEEDS: seeds },
  });
  if (ended.error?.code === 'ETIMEDOUT') return 'the time limit';
  if (ended.status === 0) return undefined;
  const output = `${ended.stdout}\n${ended.stderr}`;
  const failed = /● .*›.*|● Test suite failed to run[\s\S]{0,300}/.exec(output)?.[0];
  return failed?.replace(/^●\s*/, '') ?? output.slice(0, 300);
}

function tryMutation({ name, file, find, replace, imports = '' }, copy, seeds) {
  const path = join(copy, file);
  const before = readFileSync(path, 'utf8');
  const times = before.split(find).length - 1;
  if (times !== 1) return { name, file, found: undefined, why: `its text stands ${times} times in ${file}` };
  writeFileSync(path, imports + before.replace(find, () => replace));
  const found = firstFailure(copy, seeds);
  writeFileSync(path, before);
  const broken = found?.startsWith('Test suite failed') ?? false;
  return { name, file, found: broken ? undefined : found, why: broken ? found : 'no test fails' };
}

const only = argument('--only');
const seeds = argument('--seeds') ?? '1-8';
const copy = copyTree();
let missed = 0;
try {
  const sane = only === undefined ? firstFailure(copy, seeds) : undefined;
  if (sane !== undefined) {
    console.log(`without any mutation a test fails: ${sane}`);
    process.exit(1);
  }
  console.log('rule | mutation | found by');
  for (const mutation of MUTATIONS.filter(({ name }) => only === undefined || name.startsWith(only))) {
    const { name, file, found, why } = tryMutation(mutation, copy, seeds);
    if (found === undefined) missed += 1;
    console.log(`${name} | ${file} | ${found ?? `NOT FOUND: ${why}`}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(missed === 0 ? 'every mutation is found' : `${missed} not found`);
process.exit(missed === 0 ? 0 : 1);
