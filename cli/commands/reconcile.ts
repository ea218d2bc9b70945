import { type Command, Option } from 'commander';
import type { Proof, Reconciliation } from '../../src/core/api.js';
import { hasEqualDigests, untilDone } from '../service.js';
import { Progress } from '../ui/progress.js';
import { renderFacts } from '../ui/table.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { count, counted } from '../ui/text.js';
import { addCommand, CommandFailed } from './command.js';
import { names } from './parse.js';

interface ReconcileOptions {
  readonly streams?: string[];
  readonly wait: boolean;
}

export function addReconcile(program: Command, io: Io): void {
  addCommand<ReconcileOptions>(
    program,
    io,
    {
      name: 'reconcile',
      summary: 'Compare a site with home, repair what differs, and give the proof',
      args: [['<site>', 'the site to compare']],
      options: [
        new Option('--streams <names>', 'only these, with commas between them; by default all').argParser(names),
        new Option('--no-wait', 'start it and print its id'),
      ],
      notes: 'With --json it prints the reconciliation with its proof: keep it for lockstep verify.',
      examples: [
        'lockstep reconcile east',
        'lockstep reconcile east --json > proof.json && lockstep verify proof.json',
      ],
    },
    async (session, { streams, wait }, [site = '']) => {
      const request = streams === undefined ? { site } : { site, streams };
      const { id } = await session.client.reconcile(request);
      if (!wait) {
        if (session.json) session.printJson({ id });
        else session.terminal.print(id);
        return;
      }
      const progress = new Progress(session.terminal, `reconciling ${site}`);
      const done = await untilDone(session.client, id, {
        signal: io.interrupted,
        onProgress: (fraction) => progress.update(fraction),
      });
      progress.end();
      if (session.json) session.printJson(done);
      else session.terminal.print(...renderReconciliation(done, session.terminal));
      if (done.status === 'failed') throw new CommandFailed();
    },
  );
}

function renderReconciliation({ id, status, problem, proof }: Reconciliation, terminal: Terminal): string[] {
  const { style } = terminal;
  if (status === 'failed') return [`${style.bad('failed')}: ${problem ?? 'no reason given'}  ${style.dim(id)}`];
  return proof === undefined ? [`done  ${style.dim(id)}`] : renderProof(id, proof, terminal);
}

function renderProof(id: string, proof: Proof, { style, width }: Terminal): string[] {
  const { sites, windows, copied, overruled, conflicts, gaps } = proof;
  const equal = hasEqualDigests(proof) ? style.good('equal') : style.bad('different');
  return renderFacts(
    [
      ['reconciliation', `${style.bold(id)}, of ${sites.join(' and ')}`],
      ['compared', `${counted(windows.length, 'window')} of streams, times and keys; digests ${equal} afterwards`],
      ['copied', counted(copied, 'event')],
      ['overruled', list(overruled, 'transaction')],
      ['conflicts', list(conflicts, 'conflict')],
      [
        'gaps',
        gaps.length === 0 ? 'none' : gaps.map(({ stream, from, to }) => `${stream} ${from} to ${to}`).join(', '),
      ],
      ['check it', `lockstep verify ${id}`],
    ],
    width,
  );
}

function list(ids: readonly string[], one: string): string {
  if (ids.length === 0) return 'none';
  const shown = ids.slice(0, 5).join(', ');
  return ids.length > 5 ? `${count(ids.length)} ${one}s: ${shown}, …` : `${counted(ids.length, one)}: ${shown}`;
}
