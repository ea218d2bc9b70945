import { type Command, InvalidArgumentError, Option } from 'commander';
import type {
  ConflictPolicy,
  ConflictRule,
  MirrorStreamMetadata,
  StreamAnswer,
  StreamPolicy,
} from '../../src/core/api.js';
import { modeOf } from '../../src/core/scaling/rules.js';
import { renderFacts, renderTable } from '../ui/table.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { plain } from '../ui/text.js';
import { addCommand } from './command.js';
import { present, wholeNumber } from './parse.js';

interface PolicyOptions {
  readonly shards?: number;
  readonly mirrors?: number;
  readonly createMirrors?: 'now' | 'on-begin';
  readonly ordering?: 'arrival' | 'versioned';
  readonly conflict?: string;
  readonly conflictBy?: ConflictRule;
  readonly conflictOtherwise?: 'last-write-wins' | 'manual';
  readonly failback?: 'stay' | 'automatic' | 'manual';
  readonly retentionHours?: number;
}

const POLICY_OPTIONS = [
  new Option('--shards <n>', 'shards of each replica').argParser(wholeNumber(1, 100)),
  new Option('--mirrors <n>', 'how many mirrors').argParser(wholeNumber(0, 100)),
  new Option('--create-mirrors <when>', 'at once, or with the first transaction that names the stream').choices([
    'now',
    'on-begin',
  ]),
  new Option('--ordering <order>', 'versioned: every event of it gets a version').choices(['arrival', 'versioned']),
  new Option(
    '--conflict <policy>',
    'which of two versions stays: last-write-wins, version-vector, manual, or function:NAME',
  ).argParser(conflictPolicyName),
  new Option('--conflict-otherwise <policy>', 'with version-vector: of two that did not know each other').choices([
    'last-write-wins',
    'manual',
  ]),
  new Option('--conflict-by <time>', 'with last-write-wins: the later by this time').choices([
    'commit',
    'event',
    'ingest',
  ]),
  new Option('--failback <policy>', 'what happens when a replica that failed is back').choices([
    'stay',
    'automatic',
    'manual',
  ]),
  new Option('--retention-hours <n>', 'how long events are kept').argParser(wholeNumber(24, 8_760)),
];

export function addStreams(program: Command, io: Io): void {
  const streams = program.command('streams').summary('list, show, create and change streams').description('Streams.');
  addCommand(
    streams,
    io,
    { name: 'list', summary: 'List all streams', examples: ['lockstep streams list'] },
    async (session) => {
      const answer = await session.client.listStreams();
      if (session.json) session.printJson(answer);
      else session.terminal.print(...renderStreams(answer.streams, session.terminal));
    },
  );
  addCommand(
    streams,
    io,
    {
      name: 'show',
      summary: 'Show a stream with its mirrors and policy',
      args: [['<name>', 'the stream']],
      examples: ['lockstep streams show orders'],
    },
    async (session, _options, [name = '']) => {
      const stream = await session.client.getStream(name);
      if (session.json) session.printJson(stream);
      else session.terminal.print(...renderStream(stream, session.terminal));
    },
  );
  addCommand<PolicyOptions>(
    streams,
    io,
    {
      name: 'create',
      summary: 'Create a stream, or change its policy',
      args: [['<name>', 'letters, digits, _ . - up to 64']],
      options: POLICY_OPTIONS,
      notes: 'What is left out keeps its value, or gets its default when the stream is new.',
      examples: ['lockstep streams create orders --shards 2 --ordering versioned'],
    },
    async (session, options, [name = '']) => {
      const stream = await session.client.putStream(name, policyOf(options));
      if (session.json) session.printJson(stream);
      else session.terminal.print(...renderStream(stream, session.terminal));
    },
  );
}

function policyOf(options: PolicyOptions): StreamPolicy {
  const mirrors = present<NonNullable<StreamPolicy['mirrors']>>({
    count: options.mirrors,
    create: options.createMirrors,
  });
  return present<StreamPolicy>({
    shards: options.shards,
    mirrors: Object.keys(mirrors).length === 0 ? undefined : mirrors,
    ordering: options.ordering,
    conflict: conflictOf(options),
    failback: options.failback,
    retentionHours: options.retentionHours,
  });
}

function conflictPolicyName(text: string): string {
  if (/^(last-write-wins|version-vector|manual|function:[A-Za-z][A-Za-z0-9_-]{0,63})$/.test(text)) return text;
  throw new InvalidArgumentError('last-write-wins, version-vector, manual, or function:NAME.');
}

/** As it is said; what contradicts itself is for the service to refuse. */
function conflictOf({
  conflict,
  conflictBy: by,
  conflictOtherwise: otherwise,
}: PolicyOptions): ConflictPolicy | undefined {
  if (conflict === undefined && by === undefined && otherwise === undefined) return undefined;
  const [policy = '', name] = (conflict ?? (otherwise ? 'version-vector' : 'last-write-wins')).split(':');
  const members = { name, by, otherwise };
  return { policy, ...present<typeof members>(members) } as ConflictPolicy;
}

function renderConflictPolicy(conflict: ConflictPolicy | undefined): string {
  const { policy, name, by, otherwise } = { name: '', by: '', otherwise: '', ...(conflict ?? LAST_WRITE_WINS) };
  return [policy, name && ` ${name}`, otherwise && `, of concurrent ones ${otherwise}`, by && ` by ${by} time`].join(
    '',
  );
}

const LAST_WRITE_WINS: ConflictPolicy = { policy: 'last-write-wins', by: 'commit' };

function renderStreams(streams: readonly StreamAnswer[], { width, style }: Terminal): string[] {
  if (streams.length === 0) return ['There is no stream yet: lockstep streams create NAME'];
  return renderTable(
    [{ title: 'STREAM' }, { title: 'ACTIVE' }, { title: 'SHARDS', align: 'right' }, { title: 'MIRRORS' }],
    streams.map(({ name, active, status, shards, mirrors }) => [
      plain(name),
      status === 'in-sync' ? active : `${active} ${status}`,
      String(shards.length),
      mirrors.map(({ site, status }) => `${site} ${status}`).join(', '),
    ]),
    width,
    style.dim,
  );
}

function renderStream(stream: StreamAnswer, { width, style }: Terminal): string[] {
  const { ordering, failback, retentionHours, conflict, scaling } = stream.policy;
  const facts: [string, string][] = [
    ['stream', style.bold(plain(stream.name))],
    ['active at', `${stream.active}, ${stream.status}`],
    ['shards', stream.shards.join(' ')],
    ['ordering', ordering ?? 'arrival'],
    ['conflicts', renderConflictPolicy(conflict)],
    ['failback', failback ?? 'stay'],
    ['kept for', `${retentionHours ?? 24} h`],
    ['scaling', scaling === undefined ? 'none' : `${modeOf(scaling)}: lockstep scale plan ${plain(stream.name)}`],
  ];
  return [...renderFacts(facts, width), ...stream.mirrors.map((mirror) => `mirror     ${renderMirror(mirror)}`)];
}

function renderMirror({ site, status, shards, physicalName, completeFrom }: MirrorStreamMetadata): string {
  return `${site} ${status}, ${physicalName} (${shards.join(' ')}), complete from ${completeFrom}`;
}
