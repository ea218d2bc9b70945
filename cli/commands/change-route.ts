import { type Command, Option } from 'commander';
import type { Incident } from '../../src/core/api.js';
import type { Io } from '../ui/terminal.js';
import { addCommand, type Session } from './command.js';
import { renderIncident } from './incidents.js';
import { present } from './parse.js';

export function addSwitchover(program: Command, io: Io): void {
  addCommand<{ readonly to?: string; readonly force?: boolean }>(
    program,
    io,
    {
      name: 'switchover',
      summary: 'Make another replica of a stream the active one',
      args: [['<stream>', 'its name']],
      options: [
        new Option('--to <site>', 'where it is to be active; by default where a replica is level'),
        new Option('--force', 'also to a replica that is behind: readers wait until it has caught up'),
      ],
      examples: ['lockstep switchover orders --to west'],
    },
    async (session, { to, force }, [stream = '']) => {
      const request = present<{ to?: string; force?: boolean }>({ to, force });
      tell(session, await session.client.switchover(stream, request));
    },
  );
}

export function addMoveHome(program: Command, io: Io): void {
  addCommand<{ readonly force?: boolean }>(
    program,
    io,
    {
      name: 'move-home',
      summary: 'Move home, where transactions are decided, to another site',
      args: [['<site>', 'the new home']],
      options: [new Option('--force', 'an unclean takeover: also where the site may lack what home has acknowledged')],
      notes:
        'With --force what may be missing is reported, and the return of the old home is a reconciliation\n' +
        'with conflicts (lockstep conflicts).',
      examples: ['lockstep move-home west'],
    },
    async (session, { force }, [to = '']) => {
      const request = { to, ...present<{ force?: boolean }>({ force }) };
      tell(session, await session.client.moveHome(request));
    },
  );
}

function tell(session: Session, incident: Incident): void {
  if (session.json) session.printJson(incident);
  else session.terminal.print(...renderIncident(incident, session.terminal));
}
