import { type Command, Option } from 'commander';
import type { ListTransactions, TransactionLogEntry, TransactionStatus } from '../../src/core/api.js';
import { renderFacts, renderTable } from '../ui/table.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { plain } from '../ui/text.js';
import { addCommand } from './command.js';
import { present, wholeNumber } from './parse.js';

export function addTx(program: Command, io: Io): void {
  const tx = program.command('tx').summary('show, list and abort transactions').description('Transactions.');
  addShow(tx, io);
  addList(tx, io);
  addAbort(tx, io);
}

function addShow(tx: Command, io: Io): void {
  addCommand(
    tx,
    io,
    {
      name: 'show',
      summary: 'Show a transaction with its events',
      args: [['<id>', 'of the transaction']],
      examples: ['lockstep tx show order-4711'],
    },
    async (session, _options, [id = '']) => {
      const entry = await session.client.getTransaction(id);
      if (session.json) session.printJson(entry);
      else session.terminal.print(...renderTransaction(entry, session.terminal));
    },
  );
}

interface ListOptions {
  readonly status?: TransactionStatus;
  readonly olderThanMs?: number;
  readonly limit?: number;
  readonly cursor?: string;
}

function addList(tx: Command, io: Io): void {
  addCommand<ListOptions>(
    tx,
    io,
    {
      name: 'list',
      summary: 'List transactions',
      options: [
        new Option('--status <status>', 'only these').choices(['open', 'committed', 'aborted']),
        new Option('--older-than-ms <ms>', 'only those that began at least so long ago').argParser(
          wholeNumber(0, 999_999_999_999),
        ),
        new Option('--limit <n>', 'at most so many').argParser(wholeNumber(1, 1_000)),
        new Option('--cursor <cursor>', 'go on where the page before ended'),
      ],
      examples: ['lockstep tx list --status open --older-than-ms 60000'],
    },
    async (session, { status, olderThanMs, limit, cursor }) => {
      const page = await session.client.listTransactions(
        present<ListTransactions>({ status, olderThanMs, limit, cursor }),
      );
      if (session.json) {
        session.printJson(page);
        return;
      }
      session.terminal.print(...renderTransactions(page.transactions, session.terminal));
      if (page.cursor !== undefined) session.terminal.print(`There are more: --cursor ${page.cursor}`);
    },
  );
}

function addAbort(tx: Command, io: Io): void {
  addCommand<{ readonly reason?: string }>(
    tx,
    io,
    {
      name: 'abort',
      summary: 'Abort an open transaction',
      args: [['<id>', 'of the transaction']],
      options: [new Option('--reason <text>', 'noted in the log')],
      examples: ['lockstep tx abort order-4711 --reason "its client is gone"'],
    },
    async (session, { reason }, [id = '']) => {
      const answer = await session.client.abort(id, present<{ reason?: string }>({ reason }));
      if (session.json) session.printJson(answer);
      else session.terminal.print(`${answer.id} is aborted; none of its events will ever be on a stream`);
    },
  );
}

function renderTransactions(entries: readonly TransactionLogEntry[], { width, style }: Terminal): string[] {
  if (entries.length === 0) return ['No such transaction'];
  return renderTable(
    [
      { title: 'TRANSACTION' },
      { title: 'STATUS' },
      { title: 'STARTED' },
      { title: 'EVENTS', align: 'right' },
      { title: 'STREAMS' },
    ],
    entries.map(({ id, status, startedAt, events, streams }) => [
      id,
      status,
      startedAt,
      String(events.length),
      streams.join(' '),
    ]),
    width,
    style.dim,
  );
}

function renderTransaction(entry: TransactionLogEntry, { width, style }: Terminal): string[] {
  const decided = entry.decidedAt === undefined ? `expires ${entry.expiresAt}` : `decided ${entry.decidedAt}`;
  const reason = entry.reason === undefined ? '' : ` (${plain(entry.reason)})`;
  const facts = renderFacts(
    [
      ['transaction', style.bold(entry.id)],
      ['status', `${entry.status}${reason}`],
      ['times', `started ${entry.startedAt}, ${decided}`],
      ['shards', entry.shards.map(({ site, stream, shardId }) => `${site}/${stream}/${shardId}`).join(' ')],
    ],
    width,
  );
  const events = renderTable(
    [{ title: '#', align: 'right' }, { title: 'STREAM' }, { title: 'KEY' }, { title: 'TYPE' }, { title: 'DATA' }],
    entry.events.map(({ number, stream, key, type, data, dataBase64 }) => [
      String(number),
      stream,
      plain(key),
      plain(type),
      plain(data === undefined ? (dataBase64 ?? '') : JSON.stringify(data)),
    ]),
    width,
    style.dim,
  );
  return entry.events.length === 0 ? facts : [...facts, '', ...events];
}
