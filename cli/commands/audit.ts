import { setTimeout } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { Audit, AuditFinding, AuditRequest } from '../../src/core/api.js';
import { renderTable } from '../ui/table.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { count, plain } from '../ui/text.js';
import { addCommand, CommandFailed, type Session } from './command.js';
import { names, present } from './parse.js';

const POLL_MS = 200;

interface AuditOptions {
  readonly streams?: string[];
  readonly repair?: boolean;
}

export function addAudit(program: Command, io: Io): void {
  addCommand<AuditOptions>(
    program,
    io,
    {
      name: 'audit',
      summary: 'Hold the streams of sites against their logs, record by record',
      args: [['[sites...]', 'by default all']],
      options: [
        new Option('--streams <names>', 'only these, with commas between them').argParser(names),
        new Option('--repair', 'put again what is lost'),
      ],
      notes:
        'It finds records that are lost, doubled, altered, foreign (no transaction has them) or unreadable, and says\n' +
        'where they stand. A stream is never rewritten: what is doubled stays, and readers give it once; what is altered\n' +
        'stays, and its own record is put behind it; a reader that has read past its time does not get it again. It ends\n' +
        'with 1 where something was found that was not repaired.',
      examples: ['lockstep audit', 'lockstep audit west --streams orders --repair'],
    },
    async (session, { streams, repair }, given) => {
      const sites = given.length > 0 ? given : (await session.client.getRoute()).sites.map(({ name }) => name);
      const audits: Audit[] = [];
      for (const site of sites) {
        const { id } = await session.client.audit({
          site,
          ...present<Omit<AuditRequest, 'site'>>({ streams, repair }),
        });
        audits.push(await untilEnded(session, id, io.interrupted));
      }
      if (session.json) session.printJson({ audits });
      else session.terminal.print(...audits.flatMap((audit) => renderAudit(audit, session.terminal)));
      if (audits.some((audit) => audit.status === 'failed' || foundIn(audit) > audit.repaired))
        throw new CommandFailed();
    },
  );
}

async function untilEnded({ client }: Session, id: string, signal: AbortSignal): Promise<Audit> {
  for (;;) {
    const audit = await client.getAudit(id);
    if (audit.status !== 'running') return audit;
    signal.throwIfAborted();
    await setTimeout(POLL_MS);
  }
}

const foundIn = ({ counts }: Audit): number => Object.values(counts).reduce((sum, each) => sum + each, 0);

function renderAudit(audit: Audit, { style, width }: Terminal): string[] {
  const { site, status, problem, counts, repaired, findings, id } = audit;
  if (status === 'failed')
    return [`${site}: ${style.bad('failed')}: ${problem ?? 'no reason given'}  ${style.dim(id)}`];
  if (foundIn(audit) === 0) return [style.good(`✓ ${site}: every record stands as its log has it`)];
  const said = Object.entries(counts).flatMap(([kind, many]) => (many === 0 ? [] : [`${count(many)} ${kind}`]));
  const titles = ['KIND', 'STREAM', 'WHERE', 'TRANSACTION', 'KEY', 'WHAT', ''];
  return [
    style.bad(`✗ ${site}: ${said.join(', ')}; ${count(repaired)} put again`),
    ...renderTable(
      titles.map((title) => ({ title })),
      findings.map(rowOf),
      width,
      style.dim,
    ),
  ];
}

function rowOf({ kind, stream, shardId, sequence, transactionId, key, what, outcome }: AuditFinding): string[] {
  const where = shardId === undefined ? '-' : `${shardId} ${sequence ?? ''}`;
  return [kind, stream, where, transactionId ?? '-', key ?? '-', what, outcome].map(plain);
}
