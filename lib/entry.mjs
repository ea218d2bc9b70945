// `lockstep-streams/cdk` in the published package: the compiled constructs, told where the package lies.
import { fileURLToPath } from 'node:url';

process.env.LOCKSTEP_PACKAGE_ROOT ??= fileURLToPath(new URL('..', import.meta.url));

export * from '../dist/lib/index.js';
