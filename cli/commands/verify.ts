import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { LockstepClient } from '../../src/client/index.js';
import type { EventOut, Proof, ProofWindow, Reconciliation } from '../../src/core/api.js';
import { inRange, outLine, type PartLine, rangeDigest } from '../../src/core/compare.js';
import { LockstepError, isLockstepError } from '../../src/core/errors.js';
import { NO_REPLICA, sealOf } from '../../src/core/proof.js';
import { Progress } from '../ui/progress.js';
import { renderTable } from '../ui/table.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { counted, plain } from '../ui/text.js';
import { addCommand, CommandFailed, type Session } from './command.js';

const PAGE = 1_000;
/** For one page of one site: longer, and that site is not to be had, milliseconds. */
const RETRY_FOR_MS = 10_000;
const MD5 = /^[0-9a-f]{32}$/;

/** What one side of a window holds, computed from what that site's readers give. */
interface RecheckedSide {
  readonly site: string;
  /** Of transactions, as found in the window. */
  readonly parts: number;
  readonly digest: string;
  /** As the proof says it is after the reconciliation. */
  readonly proven: string | undefined;
}

interface RecheckedWindow {
  readonly stream: string;
  readonly from: string;
  readonly to: string;
  readonly hashRange: ProofWindow['hashRange'];
  readonly sides: readonly RecheckedSide[];
  /** Both sides hold the same, and what the proof says. */
  readonly holds: boolean;
}

interface Recheck {
  readonly holds: boolean;
  readonly windows: readonly RecheckedWindow[];
}

export function addVerify(program: Command, io: Io): void {
  addCommand(
    program,
    io,
    {
      name: 'verify',
      summary: 'Check the proof of a reconciliation again, from what the readers of both sites get',
      args: [['<proof>', 'the id of a reconciliation, or a file with a proof']],
      notes:
        'It believes nothing that the proof says: it reads the streams of each site from the beginning, computes the\n' +
        'digest of each window anew, and compares. It ends with 1 if one differs. A proof that was changed after it was\n' +
        'made does not have the seal of what it says, and is refused; so is a file that says of a reconciliation something\n' +
        'else than the deployment has on record.',
      examples: ['lockstep verify 01JDT0ZQ8R4C2F8M5S0V3W7X9Y', 'lockstep verify proof.json --json'],
    },
    async (session, _options, [source = '']) => {
      const proof = await loadProof(session.client, source);
      const progress = new Progress(session.terminal, 'reading both sites');
      const recheck = await recheckProof(session.client, proof, (fraction) => progress.update(fraction));
      progress.end();
      tell(session, recheck);
      if (!recheck.holds) throw new CommandFailed();
    },
  );
}

/** Reads each stream of each site once, and holds every window against what was found. */
async function recheckProof(
  client: Pick<LockstepClient, 'pages'>,
  proof: Proof,
  onProgress: (fraction: number) => void = () => undefined,
): Promise<Recheck> {
  const streams = [...new Set(proof.windows.map(({ stream }) => stream))];
  const windows: RecheckedWindow[] = [];
  for (const [index, stream] of streams.entries()) {
    onProgress(index / streams.length);
    const hasReplica = (site: string) =>
      proof.windows.some((window) => window.stream === stream && window.after[site]?.stream !== NO_REPLICA);
    const found = await Promise.all(
      proof.sites.map(async (site) => (hasReplica(site) ? readParts(client, stream, site) : [])),
    );
    for (const window of proof.windows.filter((each) => each.stream === stream)) {
      const sides = proof.sites.flatMap((site, i) =>
        window.after[site]?.stream === NO_REPLICA ? [] : [recheckSide(window, site, found[i] ?? [])],
      );
      const [first] = sides;
      const holds = sides.every(({ digest, proven }) => digest === proven && digest === first?.digest);
      const { from, to, hashRange } = window;
      windows.push({ stream, from, to, hashRange, sides, holds });
    }
  }
  onProgress(1);
  return { holds: windows.every(({ holds }) => holds), windows };
}

async function loadProof(client: LockstepClient, source: string): Promise<Proof> {
  const text = await readFile(source, 'utf8').catch(() => undefined);
  if (text !== undefined) return proofIn(client, source, text);
  const { status, problem, proof } = await client.getReconciliation(source);
  if (proof !== undefined) return sealed(source, proof);
  const why = status === 'running' ? 'is not over yet: ask again later' : `gave no proof: ${problem ?? status}`;
  throw new LockstepError('NotFound', `the reconciliation ${source} ${why}`);
}

/** A proof by itself, or a reconciliation as `lockstep reconcile --json` prints it. */
async function proofIn(client: LockstepClient, file: string, text: string): Promise<Proof> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new LockstepError('InvalidRequest', `${file} is no JSON`);
  }
  const members = (content ?? {}) as Partial<Reconciliation & Proof>;
  const proof = members.proof ?? members;
  if (!isProof(proof)) throw new LockstepError('InvalidRequest', `${file} holds no proof of a reconciliation`);
  const known = members.proof && members.id !== undefined ? await onRecord(client, members.id) : undefined;
  if (known && known.seal !== proof.seal) {
    throw new LockstepError('InvalidRequest', `${file} is not the proof that ${members.id ?? ''} gave: it was changed`);
  }
  return sealed(file, proof);
}

/** What the deployment says of a reconciliation, where it knows of it. */
async function onRecord(client: LockstepClient, id: string): Promise<Proof | undefined> {
  try {
    return (await client.getReconciliation(id)).proof;
  } catch (error) {
    if (isLockstepError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** @throws LockstepError InvalidRequest where the proof is not as it was made */
function sealed(source: string, proof: Proof): Proof {
  if (proof.seal === sealOf(proof)) return proof;
  throw new LockstepError(
    'InvalidRequest',
    `${source}: the proof does not have the seal of what it says: it was changed`,
  );
}

function isProof(proof: Partial<Proof>): proof is Proof {
  const { sites, windows } = proof as { readonly sites?: unknown; readonly windows?: unknown };
  return Array.isArray(sites) && Array.isArray(windows) && windows.every(isWindow);
}

function isWindow(window: Partial<ProofWindow> | null): boolean {
  const { stream, from, to, hashRange, after } = window ?? {};
  return (
    [stream, from, to].every((text) => typeof text === 'string') &&
    MD5.test(hashRange?.from ?? '') &&
    MD5.test(hashRange?.to ?? '') &&
    typeof after === 'object'
  );
}

/** What a site's readers get of a stream, part by part. */
async function readParts(client: Pick<LockstepClient, 'pages'>, stream: string, site: string): Promise<PartLine[]> {
  const parts = new Map<string, EventOut[]>();
  for await (const page of client.pages({ stream, site, limit: PAGE, until: 'caught-up', retryForMs: RETRY_FOR_MS })) {
    for (const event of page.items) {
      const name = `${event.transactionid}/${event.subject}`;
      const part = parts.get(name);
      if (part === undefined) parts.set(name, [event]);
      else part.push(event);
    }
  }
  return [...parts.values()].map(outLine);
}

function recheckSide(window: ProofWindow, site: string, found: readonly PartLine[]): RecheckedSide {
  const { stream, from, to, hashRange } = window;
  const range = { stream, from, to, hashFrom: hashRange.from, hashTo: hashRange.to };
  const lines = found.filter((part) => inRange(range, part)).map(({ line }) => line);
  return { site, parts: lines.length, digest: rangeDigest(lines), proven: window.after[site]?.stream };
}

function tell(session: Session, recheck: Recheck): void {
  if (session.json) session.printJson(recheck);
  else session.terminal.print(...renderRecheck(recheck, session.terminal));
}

function renderRecheck({ holds, windows }: Recheck, { style, width }: Terminal): string[] {
  const shown = holds ? summaryRows(windows) : windows.filter((window) => !window.holds).flatMap(differenceRows);
  const titles = holds
    ? ['STREAM', 'WINDOWS', 'PARTS']
    : ['STREAM', 'WINDOW', 'SITE', 'PARTS', 'DIGEST', 'IN THE PROOF'];
  const table = renderTable(
    titles.map((title) => ({ title })),
    shown,
    width,
    style.dim,
  );
  const wrong = counted(windows.filter((each) => !each.holds).length, 'window');
  const said = holds
    ? style.good(`✓ the proof holds: ${counted(windows.length, 'window')} computed anew, the same at all sites`)
    : style.bad(`✗ the proof does not hold: ${wrong} not as proven`);
  return [...table, said];
}

function summaryRows(windows: readonly RecheckedWindow[]): string[][] {
  const streams = [...new Set(windows.map(({ stream }) => stream))];
  return streams.map((stream) => {
    const own = windows.filter((each) => each.stream === stream);
    const parts = own.reduce((sum, { sides }) => sum + (sides[0]?.parts ?? 0), 0);
    return [stream, String(own.length), String(parts)];
  });
}

function differenceRows({ stream, from, to, sides }: RecheckedWindow): string[][] {
  return sides.map(({ site, parts, digest, proven }) => [
    plain(stream),
    `${plain(from)} to ${plain(to)}`,
    plain(site),
    String(parts),
    digest.slice(0, 16),
    plain(proven?.slice(0, 16) ?? 'none'),
  ]);
}
