// npm start [-- arguments]: installs what is missing, then `lockstep tour` with these arguments, in this very process, so
// that Ctrl-C and the exit code are the tour's own.
import { ensureInstalled } from './lib/install.mjs';

ensureInstalled();
process.argv.splice(2, 0, 'tour');
await import('../cli/lockstep.mjs');
