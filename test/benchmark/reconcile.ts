/**
 * npm run bench:reconcile [-- --entries 1000000] [-- --json]: how fast the embedded engine, durably, makes two logs
 * equal that differ in every thousandth entry, and what travels between the sites for it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Reconciliation } from '../../src/core/api.js';
import { areEqual } from '../../src/core/proof.js';
import { type EmbeddedLockstep, openEmbedded } from '../../src/embedded/index.js';
import { bytesOf, countingPeers, pastEntry, writePast } from '../support/history.js';

/** Every so manieth entry is missing at one site. */
const MISSING_EVERY = 1000;

function numberOf(args: readonly string[], name: string, preset: number): number {
  const at = args.indexOf(name);
  const value = at < 0 ? preset : Number(args[at + 1]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number from 1 on`);
  return value;
}

async function ended(engine: EmbeddedLockstep, id: string): Promise<Reconciliation> {
  for (;;) {
    const state = await engine.service.getReconciliation(id);
    if (state.status !== 'running') return state;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function main(args: readonly string[]): Promise<void> {
  const entries = numberOf(args, '--entries', 1_000_000);
  const json = args.includes('--json');
  const say = (line: string) => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  const dataDirectory = mkdtempSync(join(tmpdir(), 'lockstep-bench-'));
  const { moved, wrap } = countingPeers();
  const engine = await openEmbedded({
    dataDirectory,
    background: false,
    wrap: wrap ? { peers: wrap } : {},
  });
  try {
    await engine.service.putStream('orders', { shards: 4 });
    for (const node of engine.nodes.values()) await node.tend();
    say(
      `${entries} entries at each of two sites, every ${MISSING_EVERY}th missing at west; ${cpus()[0]?.model.trim() ?? ''}`,
    );
    const startMs = await writePast(engine, {
      entries,
      lacks: (site, index) => site === 'west' && index % MISSING_EVERY === 0,
    });
    moved.clear();
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    const { id } = await engine.service.reconcile({ site: 'west' });
    const { status, problem, proof, copied = 0 } = await ended(engine, id);
    const seconds = (performance.now() - startedAt) / 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    if (status !== 'done' || !proof) throw new Error(`not reconciled: ${problem ?? status}`);
    const equal = proof.windows.every(({ after }) => areEqual(proof.sites.map((site) => after[site])));
    const bytes = [...moved.values()].reduce((sum, each) => sum + each, 0);
    const whole = bytesOf(pastEntry(entries - 1, startMs)) * entries;
    const result = {
      entries,
      copied,
      equal,
      seconds: Math.round(seconds * 100) / 100,
      entriesPerSecond: Math.round(entries / seconds),
      cpuSeconds: Math.round((user + system) / 10_000) / 100,
      bytesMoved: bytes,
      bytesOfAFullCopy: whole,
      share: Math.round((bytes / whole) * 10_000) / 10_000,
      peakMemoryMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    };
    say(
      `${result.copied} copied in ${result.seconds} s: ${result.entriesPerSecond} entries/s, ${result.cpuSeconds} s of processor time; equal afterwards: ${equal}`,
    );
    say(`${bytes} bytes between the sites, ${(result.share * 100).toFixed(2)} % of a full copy (${whole} bytes)`);
    say(`peak memory ${result.peakMemoryMiB} MiB`);
    if (json) console.log(JSON.stringify(result));
  } finally {
    await engine.close();
    rmSync(dataDirectory, { recursive: true });
  }
}

await main(process.argv.slice(2));
