/**
 * The rules of the protocol, each with what in the sources keeps it, and how it is broken. `test/protocol/mutations.mjs`
 * asks whether the tests notice, `npm run simulate -- --mutations` whether the simulation does.
 */
export interface Mutation {
  /** The rule that is broken. */
  readonly name: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** Lines that the replacement needs on top of the file. */
  readonly imports?: string;
  /** The theme of the seeds that are likeliest to see it. */
  readonly theme?: string;
  /** Why a simulation does not see it: what it breaks is no promise about the outcome. */
  readonly unseen?: string;
}

/** A source with the rule broken. */
export function mutated({ name, file, from, to, imports = '' }: Mutation, source: string): string {
  const times = source.split(from).length - 1;
  if (times !== 1) throw new Error(`${name}: its text stands ${times} times in ${file}`);
  return imports + source.replace(from, () => to);
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'logsFirst',
    file: 'src/app/apply.ts',
    from: '  const { route, behind } = await replicateEverywhere(site, tasks);\n',
    to:
      '  await putHere(\n    site,\n    tasks.map((task) => task.entry),\n  );\n' +
      '  const { route, behind } = await replicateEverywhere(site, tasks);\n',
  },
  {
    name: 'ackApplied',
    file: 'src/app/apply.ts',
    from: 'return marked.markEpoch === undefined ? undefined : { entry: marked.entry, markEpoch: marked.markEpoch, term };',
    to: 'return term < 0 ? { entry: marked.entry, markEpoch: 0, term } : undefined;',
  },
  {
    name: 'mirrorLogsFirst',
    file: 'src/app/apply.ts',
    from: 'tasks, followers.length === 1)',
    to: 'tasks, true)',
  },
  {
    name: 'putRoute',
    file: 'src/app/apply.ts',
    from:
      'attempt === 0 && known.epoch >= markEpoch ? known : await newest(site);\n' +
      '  if (route.epoch < markEpoch) throw undetermined();',
    to: 'attempt === 0 ? known : await newest(site);',
  },
  {
    name: 'clearRoute',
    file: 'src/app/apply.ts',
    from: '  if (route.epoch < markEpoch) throw undetermined();\n',
    to: '',
  },
  {
    name: 'guardsBeforeCopy',
    file: 'src/app/return.ts',
    from: "if ((await site.peers.agent(home).raise({ term, epoch: since })) === 'stale') {",
    to: 'if (since < 0) {',
  },
  {
    name: 'guardEpoch',
    file: 'src/core/plan.ts',
    from: "        { attribute: 'epoch', is: '<=', value: route.epoch },\n        { attribute: 'bar'",
    to: "        { attribute: 'bar'",
  },
  {
    name: 'joiningMiss',
    file: 'src/app/apply.ts',
    from: 'const missing = followers.filter((follower) => !logged.has(follower));',
    to: 'const missing = followers.filter((follower) => !logged.has(follower) && route.joining[follower] === undefined);',
  },
  {
    name: 'joinIncarnation',
    file: 'src/core/route.ts',
    from: 'if (route.joining[site] !== since)',
    to: 'if (route.joining[site] === undefined)',
  },
  {
    name: 'fence',
    file: 'src/core/plan.ts',
    from: "when: [[{ attribute: 'term', is: '=', value: term }]] };",
    to: "when: [[{ attribute: 'term', is: '>=', value: term }]] };",
  },
  {
    // Term, epoch, bar and shutting refuse it alike: only all of them together can be missed.
    name: 'fence (decisions)',
    file: 'src/core/plan.ts',
    from:
      "        { attribute: 'open', is: '=', value: true },\n        { attribute: 'term', is: '=', value: route.term },\n" +
      "        { attribute: 'epoch', is: '<=', value: route.epoch },\n        { attribute: 'bar', is: '<', value: lowest },\n",
    to: "        { attribute: 'bar', is: '>=', value: lowest.slice(0, 0) },\n",
  },
  {
    name: 'fence (guards shut)',
    file: 'src/app/guards.ts',
    from: 'bar: timestamp(term, 0), open: false };',
    to: 'bar: timestamp(term, 0), open: true };',
  },
  {
    name: 'fenceFirst',
    file: 'src/app/takeover.ts',
    from: 'route.inSync.map((at) => fence(site, route, at))',
    to: 'route.inSync.map((at) => (at === site.name ? fence(site, route, at) : true))',
  },
  {
    name: 'fenceFirst (silent ones are left)',
    file: 'src/app/takeover.ts',
    from: '  if (silent.length === 0) return true;',
    to: '  if (!silent.includes(route.home)) return true;',
  },
  {
    name: 'adopt',
    file: 'src/app/takeover.ts',
    from: '  if (entries.length === 0) return;',
    to: '  if (entries.length >= 0) return;',
  },
  {
    name: 'adopt (only in its own round)',
    file: 'src/core/plan.ts',
    from: "        { attribute: 'open', is: '=', value: false },\n        { attribute: 'term', is: '=', value: term },\n        { attribute: 'epoch', is: '=', value: epoch },\n",
    to: "        { attribute: 'term', is: '=', value: term },\n        { attribute: 'epoch', is: '>=', value: Math.min(epoch, 0) },\n",
  },
  {
    name: 'followerMark',
    file: 'src/app/replicate.ts',
    from: '      markEpoch: request.epoch,\n',
    to: '',
  },
  {
    name: 'joiningOut',
    file: 'src/core/route.ts',
    from: '    inSync,\n    joining: {},',
    to: '    inSync,\n    joining: route.joining,',
  },
  {
    name: 'overrule',
    file: 'src/app/return.ts',
    from: '  for (const entry of strangers) await overrule(site, round, entry);\n',
    to: '',
  },
  {
    name: 'overrule (newest first)',
    file: 'src/app/return.ts',
    from: 'strangers.sort((a, b) => (a.at < b.at ? 1 : -1));',
    to: 'strangers.sort((a, b) => (a.at < b.at ? -1 : 1));',
  },
  {
    name: 'clock ahead',
    file: 'src/app/site.ts',
    from: '    if (aheadMs > this.options.readMarginMs / 2) {\n',
    to: '    if (aheadMs > Number.MAX_SAFE_INTEGER) {\n',
    unseen: 'simulated clocks are wrong by no more than what is promised to work',
  },
  {
    name: 'return in rounds',
    file: 'src/app/return.ts',
    from: "if ((await fenceGuards(site, term, since)) === 'refused') {",
    to: 'if (since < 0) {',
  },
  {
    name: 'selfFence',
    file: 'src/app/steps.ts',
    from: '    const { term, epoch, home } = await fenceSelf(site);\n',
    to: '    const { term, epoch, home } = await site.routes.refresh();\n    if (term < 0) await fenceSelf(site);\n',
  },
  {
    name: 'cleanFirst',
    file: 'src/workflows/reconciliation.ts',
    from:
      "      next: 'Clean',\n    },\n" +
      "    Clean: { kind: 'task', step: 'clean', into: 'overruled', timeoutSeconds: 900, otherwise: 'Give up', next: 'Join' },\n" +
      "    Join: { kind: 'task', step: 'beginJoin', into: 'since', timeoutSeconds: 60, otherwise: 'Give up', next: 'Plan' },\n",
    to:
      "      next: 'Join',\n    },\n" +
      "    Clean: { kind: 'task', step: 'clean', into: 'overruled', timeoutSeconds: 900, otherwise: 'Give up', next: 'Plan' },\n" +
      "    Join: { kind: 'task', step: 'beginJoin', into: 'since', timeoutSeconds: 60, otherwise: 'Give up', next: 'Clean' },\n",
  },
  {
    name: 'versionBack',
    file: 'src/app/overrule.ts',
    from: '    ...setBackVersions(entry, before),\n',
    to: '',
  },
  {
    name: 'serveLast',
    file: 'src/app/takeover.ts',
    from: '    await adoptAll(site, route);\n    const outcome',
    to: '    setTimeout(() => void adoptAll(site, route).catch(() => undefined), 1);\n    const outcome',
  },
  {
    name: 'mark (only the one read)',
    file: 'src/core/plan.ts',
    from: "        { attribute: 'state', is: '=', value: 'pending' },\n        { attribute: 'epoch', is: '=', value: epoch },\n",
    to: "        { attribute: 'state', is: '=', value: epoch < 0 ? '' : 'pending' },\n",
  },
  {
    name: 'guards (all copies count)',
    file: 'src/app/guards.ts',
    from: 'const copies = Array.from({ length: site.copies }, (_, copy) => copy);',
    to: 'const copies = Array.from({ length: 1 }, (_, copy) => copy);',
  },
  {
    name: 'guards (only upward)',
    file: 'src/app/guards.ts',
    from: "    if (before && before.term > term) return 'refused';\n",
    to: '',
  },
  {
    name: 'bar',
    file: 'src/core/plan.ts',
    from: "        { attribute: 'bar', is: '<', value: lowest },\n",
    to: "        { attribute: 'bar', is: '<=', value: lowest < '' ? lowest : '9' },\n",
  },
  {
    name: 'identity before versions',
    file: 'src/app/decide.ts',
    from: 'verdicts.set(proposal, await identityFirst(site, proposal, draft.refused));',
    to: "verdicts.set(proposal, { kind: 'refused', error: draft.refused });",
  },
  {
    name: 'predecessor first',
    file: 'src/app/decide.ts',
    from: '  await applyPredecessors(site, [...predecessors]);\n',
    to: '  if (predecessors.has("")) await applyPredecessors(site, [...predecessors]);\n',
  },
  {
    name: 'versions follow on (followers)',
    file: 'src/app/replicate.ts',
    from: 'request.joining ? await upward(site, entry) : followOn(entry)',
    to: 'request.joining || followOn(entry) ? await upward(site, entry) : []',
  },
  {
    name: 'versions follow on (home)',
    file: 'src/core/plan.ts',
    from: "    when: [first === 1 ? 'absent' : [{ attribute: 'version', is: '=', value: first - 1 }]],\n",
    to: "    when: [first === 1 ? 'absent' : [{ attribute: 'version', is: '>=', value: 0 }], []],\n",
  },
  {
    name: 'first decision counts',
    file: 'src/app/decide.ts',
    from: "const same = wanted === 'aborted' || sameDigests(",
    to: "const same = wanted !== '' || sameDigests(",
  },
  {
    name: 'unknown outcome has one effect',
    file: 'src/core/plan.ts',
    from: "if (origin.kind === 'one-shot') return ['absent'];",
    to: "if (origin.kind === 'one-shot') return ['absent', []];",
  },
  {
    name: 'EventsMissing',
    file: 'src/app/commit.ts',
    from: '  if (missing.length > 0) {',
    to: '  if (missing.length > 500) {',
  },
  {
    name: 'all events are named',
    file: 'src/app/commit.ts',
    from: '  if (left.length > 0) {',
    to: '  if (left.length > 500) {',
  },
  {
    name: 'held events missing are sent whole',
    file: 'src/app/apply.ts',
    from: 'entries = tasks.filter(({ entry }) => again.has(entry.id)).map(({ entry }) => entry);',
    to: 'entries = entries.filter((entry) => again.has(entry.id));',
  },
  {
    name: 'NotEnoughReplicas before the decision',
    file: 'src/app/decide.ts',
    from: '  if (length < site.options.minInSync) {',
    to: '  if (length < 1) {',
  },
  {
    name: 'identity before NotEnoughReplicas',
    file: 'src/app/decide.ts',
    from: 'verdicts.set(proposal, await identityFirst(site, proposal, error));',
    to: "verdicts.set(proposal, { kind: 'refused', error });",
  },
  {
    name: 'passed on: to this home, or not at all',
    file: 'src/app/service.ts',
    from: 'term === undefined ? this : this.#asHomeOf(term);',
    to: 'term === -1 ? this.#asHomeOf(term) : this;',
  },
  {
    name: 'passed on: decided in its term',
    file: 'src/app/decide.ts',
    from: 'if (route.home !== site.name || route.term !== term || ',
    to: 'if (route.home !== site.name || ',
  },
  {
    name: 'sweep opens no guards of a follower',
    file: 'src/app/sweep.ts',
    from: "  if (home !== site.name || phase !== 'serving') return;\n",
    to: '',
  },
  {
    name: 'Undetermined after the decision',
    file: 'src/app/apply.ts',
    from: "return new LockstepError('Undetermined',",
    to: "return new LockstepError('NotEnoughReplicas',",
  },
  {
    name: 'expired after its abort',
    file: 'src/app/abort.ts',
    from: 'return refusalFor(await decideAbort(site, id, EXPIRED));',
    to: "void decideAbort(site, id, EXPIRED).catch(() => undefined);\n    return new LockstepError('TransactionExpired', 'x');",
  },
  {
    name: 'late commit checks itself',
    file: 'src/app/commit.ts',
    from: 'if (!isDecided(state.entry) && state.entry.expiresAtMs <= site.clock.now()) throw await expire(site, id);',
    to: 'if (!isDecided(state.entry) && state.entry.expiresAtMs < 0) throw await expire(site, id);',
  },
  {
    name: 'sweep aborts what expired',
    file: 'src/app/sweep.ts',
    from: '    await expire(site, id);\n',
    to: "    if (id === '') await expire(site, id);\n",
  },
  {
    name: 'a follower forgets what home does not know',
    file: 'src/app/sweep.ts',
    from: 'if (!there[index]) await forgetUnfinished(',
    to: "if (id === '') await forgetUnfinished(",
  },
  {
    name: 'a follower keeps what home knows',
    file: 'src/app/sweep.ts',
    from: 'if (!there[index]) await forgetUnfinished(',
    to: 'await forgetUnfinished(',
    unseen: 'it has run out of time, and home is about to abort it',
  },
  {
    name: 'forgotten: not what was begun anew',
    file: 'src/app/forget.ts',
    from: "        { attribute: 'startedAtMs', is: '=', value: entry.startedAtMs },\n",
    to: '',
    unseen: 'within one call between two sites: home is asked, then the id is begun there again',
  },
  {
    name: 'sweep applies what is pending',
    file: 'src/app/sweep.ts',
    from: '  await applyPending(site);\n',
    to: '  if (term < 0) await applyPending(site);\n',
  },
  {
    name: 'chunks before the decision',
    file: 'src/app/log.ts',
    from: '  for (const chunk of encoded.chunks) {\n    await site.tables',
    to: '  for (const chunk of encoded.chunks) {\n    void site.clock.sleep(1).then(() => undefined);\n    if (encoded.chunks.length > 1) continue;\n    await site.tables',
  },
  {
    name: 'stagings carry what begin said',
    file: 'src/app/stage.ts',
    from: 'item: encodeOpen(entry, site.copies, next), when:',
    to: 'item: encodeOpen({ ...entry, streams: [], expiresAtMs: 0 }, site.copies, next), when:',
  },
  {
    name: 'eager is staged everywhere',
    file: 'src/app/write.ts',
    from: 'isEager ? stageEverywhere(',
    to: "isEager && entry.id === '' ? stageEverywhere(",
  },
  {
    name: 'at-commit is not',
    file: 'src/core/plan.ts',
    from: "boolean => replication === 'eager';",
    to: 'boolean => replication !== undefined;',
    unseen: 'to stage more than was asked for costs calls and breaks no promise',
  },
  {
    name: 'backlog does not block',
    file: 'src/app/put.ts',
    from: '  await joinBacklog(site, stream, refused);\n  return false;',
    to: "  await joinBacklog(site, stream, refused);\n  throw new PortUnavailable('the stream takes nothing');",
    imports: "import { PortUnavailable } from '../ports/failures.js';\n",
  },
  {
    name: 'backlog is joined behind',
    file: 'src/app/put.ts',
    from: 'const isWaiting = (site: Site, stream: string): boolean =>\n  site.behind.has(stream) ||',
    to: 'const isWaiting = (site: Site, stream: string): boolean =>',
  },
  {
    name: 'backlog is drained in order',
    file: 'src/core/items.ts',
    from: '  sk: `${at}/${id}`,\n});\nexport const replicaKey',
    to: '  sk: `${at.slice(0, 0)}${id}`,\n});\nexport const replicaKey',
  },
  {
    name: 'closed never passes a backlog',
    file: 'src/app/close.ts',
    from: '      if (rows.length > 0) return;\n',
    to: '      if (rows.length > 999) return;\n',
  },
  {
    name: 'closed after all is applied',
    file: 'src/app/close.ts',
    from: '  await applyPending(site, bar);\n  await closeStreams(site, bar);',
    to: '  void applyPending(site, bar).catch(() => undefined);\n  await closeStreams(site, bar);',
  },
  {
    name: 'switchover by the request',
    file: 'src/app/apply.ts',
    from: '  await keepActive(site, streams, behind);\n',
    to: '  if (ids.length < 0) await keepActive(site, streams, behind);\n',
  },
  {
    name: 'switchover only to a level replica',
    file: 'src/app/switchover.ts',
    from: 'behind.get(name)?.includes(stream) === false,',
    to: 'name !== route.active[stream],',
  },
  {
    name: 'minInSync',
    file: 'src/core/route.ts',
    from: 'if (route.inSync.length - 1 < minInSync)',
    to: 'if (minInSync < 0)',
  },
  {
    name: 'takeover after own probe',
    file: 'src/app/watch.ts',
    from: '  if (await probe(site, route.home)) return false;\n',
    to: '',
  },
  {
    name: 'takeover without a witness',
    file: 'src/app/watch.ts',
    from: '  return seen.includes(true);\n',
    to: '  return seen.length < 0;\n',
  },
  {
    name: 'planned move keeps the old home',
    file: 'src/core/route.ts',
    from: '(keepOldHome || site !== route.home)',
    to: 'site !== route.home',
  },
  {
    name: 'deposed home passes on',
    file: 'src/app/service.ts',
    from: '    if (error instanceof NotHomeAnyMore || home === this.#site.name) return this.#lookAgain();\n',
    to: '    if (error instanceof NotHomeAnyMore) throw error;\n    if (home === this.#site.name) return this.#lookAgain();\n',
  },
  {
    name: 'deposed home: the same id',
    file: 'src/app/service.ts',
    from: "return this.#atHome('commitOnce', [named],",
    to: "return this.#atHome('commitOnce', [{ ...named, id: this.#site.newId() }],",
  },
  {
    name: 'ids kept while a site is missing',
    file: 'src/app/sweep.ts',
    from: '  if (inSync.length < site.ports.deployment.sites.length) return;\n',
    to: '  if (inSync.length < 1) return;\n',
    unseen: 'nothing is as old in a simulation as the log is kept',
  },
  {
    name: 'WriteConflict is retried (decision)',
    file: 'src/app/decide.ts',
    from: 'PortThrottled, WriteConflict, ConditionFailed].some(',
    to: 'PortThrottled, ConditionFailed].some(',
  },
  {
    name: 'WriteConflict is retried (follower)',
    file: 'src/app/replicate.ts',
    from: '    if (error instanceof WriteConflict) {\n',
    to: '    if (error instanceof WriteConflict && request.term < 0) {\n',
  },
  {
    name: 'WriteConflict is retried (staging)',
    file: 'src/app/serving.ts',
    from: '        error instanceof WriteConflict ||\n',
    to: '',
  },
  {
    name: 'batch outcomes are independent',
    file: 'src/app/commit-queue.ts',
    from: "if (verdict.kind === 'refused') waiting.reject(verdict.error);",
    to: "if (verdict.kind === 'refused') throw verdict.error;",
  },
  {
    name: 'batch: one does not hold up the others',
    file: 'src/app/commit-queue.ts',
    from: 'else await Promise.all(decided.map((one) => this.#apply([one])));',
    to: 'else for (const { waiting } of decided) waiting.reject(error);',
  },
  {
    name: 'unclean: taken over',
    file: 'src/app/diverged.ts',
    from: "      if (met.choice !== 'waiting') continue;\n",
    to: "      if (met.choice !== 'waiting' || site.copied >= 0) continue;\n",
  },
  {
    name: 'unclean: names the old decision',
    file: 'src/app/decide-anew.ts',
    from: '      takenFrom: entry.at,\n',
    to: '',
  },
  {
    name: 'unclean: conflicts are recorded',
    file: 'src/app/conflicts.ts',
    from: 'for (const [index, meeting] of meetings.entries()) {',
    to: 'for (const [index, meeting] of meetings.slice(99).entries()) {',
  },
  {
    name: 'unclean: by commit',
    file: 'src/core/conflict.ts',
    from: 'waiting.id > standing.id : mine > theirs',
    to: 'waiting.id > standing.id : mine < theirs',
    unseen: 'either side may win, so long as the other one is listed',
  },
  {
    name: 'unclean: by event',
    file: 'src/core/conflict.ts',
    from: 'event.time === undefined ? committedMs : Date.parse(event.time)',
    to: 'event.time === undefined ? committedMs : Math.max(committedMs, 0)',
    unseen: 'simulated streams take the later commit',
  },
  {
    name: 'unclean: by ingest',
    file: 'src/core/conflict.ts',
    from: "  if (by === 'ingest') return entry.startedAtMs;\n",
    to: '',
    unseen: 'simulated streams take the later commit',
  },
  {
    name: 'a repeated write checks the guard',
    file: 'src/app/write.ts',
    from: '    stageHere(site, route, entry, state.next, next, fresh),\n',
    to: '    fresh.length > 0 ? stageHere(site, route, entry, state.next, next, fresh) : undefined,\n',
  },
  {
    name: 'each attempt to return has a round of its own',
    file: 'src/app/return.ts',
    from: 'const isJoining = route.joining[site.name] !== undefined;',
    to: 'const isJoining = route.term < 0;',
  },
  {
    name: 'the joining begins on the route that was read',
    file: 'src/app/return.ts',
    from: "  if ((await fenceGuards(site, term, since)) === 'refused') {\n",
    to: '  if (since < 0) {\n',
  },
  {
    name: 'mirrors that could not be made come later',
    file: 'src/app/node.ts',
    from: '    await addMissingMirrors(this.site);\n',
    to: '    if (this.site.copied < 0) await addMissingMirrors(this.site);\n',
  },
  {
    name: 'a plan that fails lets the backlogs drain',
    file: 'src/app/reconcile.ts',
    from: '  } catch (error) {\n    letDrain(site, streams);\n    throw error;\n',
    to: '  } catch (error) {\n    throw error;\n',
  },
  {
    name: 'unclean: what was taken over is ours',
    file: 'src/app/diverged.ts',
    from: 'if (entry.takenFrom !== undefined && here.get(entry.id)?.at === entry.takenFrom) continue;',
    to: "if (entry.takenFrom === '') continue;",
  },
  {
    name: 'unclean: what home refuses is recorded',
    file: 'src/app/diverged.ts',
    from: '      else outcome.conflicts.push(...(await refusedThere(site, home, entry)));\n',
    to: '      else if (site.copied < 0) outcome.conflicts.push(...(await refusedThere(site, home, entry)));\n',
  },
  {
    name: 'unclean: each conflict once',
    file: 'src/core/conflict.ts',
    from: '${waiting.id}@${waiting.at}`, ',
    to: '${waiting.id}@${waiting.at}@${Math.random()}`, ',
  },
  {
    name: 'refused on sight only by home',
    file: 'src/app/confirm.ts',
    from: 'if (route.home !== site.name || route.term !== term)',
    to: 'if (route.term < 0)',
  },
  {
    name: 'only what every log has is filled in',
    file: 'src/app/backlog.ts',
    from: '.filter(({ id }) => !pending.has(id))',
    to: ".filter(({ id }) => id !== '')",
  },
  {
    name: 'replicas of other processes are learned of',
    file: 'src/app/put.ts',
    from: '  if (told.some((item) => item !== undefined)) await site.registry.refresh();\n',
    to: '  if (told.length === 0) await site.registry.refresh();\n',
  },
  {
    name: 'a copied decision takes the open mark away',
    file: 'src/core/plan.ts',
    from: "markEpoch === undefined ? { kind: 'delete', key } :",
    to: "markEpoch === undefined ? { kind: 'check', key, when: ['absent', []] } :",
  },
  {
    name: 'candidate: by digest',
    file: 'src/core/candidate.ts',
    from: 'number < below && digests.includes(event.digest);',
    to: 'number < below && digests.length > 0;',
  },
  {
    name: 'candidate: not announced before the join',
    file: 'src/core/candidate.ts',
    from: 'epoch >= (route.joined?.[site] ?? 0) &&',
    to: 'epoch >= 0 &&',
  },
  {
    name: 'candidate: in sync only',
    file: 'src/core/candidate.ts',
    from: 'site !== route.home && route.inSync.includes(site);',
    to: 'site !== route.home;',
    unseen: 'a joining site keeps what it foresees; it is waited for to be on the safe side',
  },
  {
    name: 'candidate: envelopes are expected',
    file: 'src/core/candidate.ts',
    from: 'const digests = isEnveloped(event) ? enveloped : bare;',
    to: 'const digests = isEnveloped(event) ? [...enveloped, ...bare] : [...bare, ...enveloped];',
    unseen: 'without its envelope an event is committed all the same: only who reads `id` or `time` sees it',
  },
  {
    name: 'candidate: missing without its envelope',
    file: 'src/app/commit.ts',
    from: 'state.candidates.filter(({ isEnveloped }) => !isEnveloped)',
    to: 'state.candidates',
    unseen: 'without its envelope an event is committed all the same: only who reads `id` or `time` sees it',
  },
  {
    name: 'candidate: numbers ahead are kept free',
    file: 'src/app/log.ts',
    from: 'candidates.reduce((free, { below }) => Math.max(free, below), next);',
    to: 'candidates.reduce((free) => free, next);',
  },
  {
    name: 'candidate: no further than kept free',
    file: 'src/core/candidate.ts',
    from: 'number < below && ',
    to: '',
    unseen: 'no simulated transaction has so many events',
  },
  {
    name: 'candidate: never an event by itself',
    file: 'src/app/log.ts',
    from: '  const staged = stagedAmong(id, rows);\n',
    to: '  const staged = [\n    ...stagedAmong(id, rows),\n    ...candidatesAmong(rows).map((one, number) => ({ ...one, number, term: 0, request: one.digest })),\n  ];\n',
    unseen: 'what a commit does not name of an earlier term does not count: only who reads his own writes sees it',
  },
  {
    name: 'candidate: on no stream',
    file: 'src/app/commit.ts',
    from: '  return events;\n}\n\nfunction contentOf',
    to: '  return [...events, ...[...foreseen.values()].flatMap((one) => contentOf(one) ?? [])];\n}\n\nfunction contentOf',
  },
  {
    name: 'candidate: it goes with the transaction',
    file: 'src/core/items.ts',
    from: "['client#', 'event#', 'part#', 'held#', 'candidate#', 'foreseen#']",
    to: "['client#', 'event#', 'part#', 'held#', 'foreseen#']",
    unseen: 'the agent takes away what is left',
  },
  {
    name: 'candidate: gone after an abort',
    file: 'src/app/replicate.ts',
    from: "  joining || status === 'aborted' || events.some(isHeld);",
    to: "  (joining && status === 'committed') || events.some(isHeld);",
    unseen: 'the agent takes away what is left',
  },
  {
    name: 'candidate: the term is checked',
    file: 'src/app/candidates.ts',
    from: 'const checks = [checkTerm(guardCopyOf(id, site.copies), term), checkOpen(transaction)];',
    to: 'const checks = term < 0 ? [] : [checkOpen(transaction)];',
    unseen: 'a candidate of another term is of no harm by itself: nobody counts on it',
  },
  {
    name: 'candidate: announced in its term',
    file: 'src/app/candidates.ts',
    from: '        checkTerm(guardCopyOf(id, site.copies), term),\n        checkOpen(announcement),\n',
    to: "        { kind: 'check', key: guardKey(guardCopyOf(id, site.copies)), when: [[]] },\n        checkOpen(announcement),\n",
    imports: "import { guardKey } from '../core/items.js';\n",
    unseen: 'an announcement of another term is of no harm by itself: its epoch and the route decide',
  },
  {
    name: 'candidate: of this very transaction',
    file: 'src/app/candidates.ts',
    from: "      { attribute: 'startedAtMs', is: '=', value: startedAtMs },\n",
    to: "      { attribute: 'startedAtMs', is: '<=', value: startedAtMs + 86_400_000 },\n",
    unseen: 'nothing is as old in a simulation as the log is kept',
  },
  {
    name: 'candidate: repeated writes rest on none',
    file: 'src/app/write.ts',
    from: 'fresh.includes(event) && event.foreseen?.includes(follower) === true;',
    to: 'fresh.length >= 0 && event.foreseen?.includes(follower) === true;',
  },
  {
    name: 'candidate: a late confirmation takes no place',
    file: 'src/core/items.ts',
    from: '  sk: `held#${pad(number)}#${request}`,',
    to: '  sk: `event#${pad(number)}#${request}`,',
  },
  {
    name: 'candidate: joins copy them',
    file: 'src/app/copy.ts',
    from: '      if (candidates.length > 0) await keepCandidates',
    to: '      if (candidates.length > 999) await keepCandidates',
  },
  {
    name: 'conflict (whole)',
    file: 'src/core/conflict.ts',
    from: "  if (choices.includes('standing')) return 'standing';\n",
    to: "  if (choices.includes('waiting')) return 'waiting';\n",
  },
  {
    name: 'conflict (first answer)',
    file: 'src/app/conflicts.ts',
    from: 'const judgements = known\n',
    to: 'const judgements = known && site.name.length < 0\n',
  },
  {
    name: 'conflict (one choice)',
    file: 'src/app/resolve-conflict.ts',
    from: "if (status === 'resolved' || resolution) {",
    to: "if (status === 'resolved') {",
  },
  {
    name: 'conflict (names both)',
    file: 'src/core/items.ts',
    from: '    ...(resolves === undefined ? {} : { resolves: encodeRefs(resolves) }),\n',
    to: '',
  },
  {
    name: 'vector (counts)',
    file: 'src/core/plan.ts',
    from: 'advanceVector(mergeVectors(stands?.vector ?? {}, vectorThere), home)',
    to: 'mergeVectors(stands?.vector ?? {}, vectorThere)',
  },
  {
    name: 'vector (what was taken over)',
    file: 'src/core/plan.ts',
    from: 'mergeVectors(stands?.vector ?? {}, vectorThere)',
    to: '(stands?.vector ?? {})',
  },
  {
    name: 'vectorBack',
    file: 'src/core/plan.ts',
    from: '...vectorIn(vectorOf(after, stream, key)) }),',
    to: '}),',
  },
  {
    name: 'a deleted stream is made anew',
    file: 'src/app/provision.ts',
    from: "      if (replica.state === 'ready') {\n",
    to: '      if (Math.random() > 1) {\n',
    unseen: 'no fault of the simulation deletes a stream',
  },
];
