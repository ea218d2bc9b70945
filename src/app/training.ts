import { isDecided } from '../core/entry.js';
import { indexPk } from '../core/items.js';
import type { Json } from '../core/api.js';
import type { FinishedContext } from '../core/prediction/context.js';
import { parseFinished } from '../core/prediction/contract.js';
import {
  type Contender,
  type Succession,
  type TrainingRecord,
  judgeModel,
  parseRecord,
  servedNow,
  succeed,
} from '../core/prediction/succession.js';
import type { Tables } from '../ports/tables.js';
import type { TrainingFiles } from '../ports/training-files.js';
import { finishedContext } from './contexts.js';
import { decodeWhole } from './log.js';

/** What a run of a site's training is told. */
export interface TrainingSite {
  readonly tables: Tables;
  /** Buckets of the log's index. */
  readonly copies: number;
  readonly files: TrainingFiles;
  /** What the names of its jobs and models begin with. */
  readonly prefix: string;
  /** How long what was gathered is learned from, milliseconds. */
  readonly keepMs: number;
  readonly note: (what: string, facts: Readonly<Record<string, unknown>>) => void;
}

/** Of a window so many transactions are taken at most, the latest, and so many characters of them. */
const MOST_TRANSACTIONS = 100_000;
const MOST_CHARACTERS = 64 * 1024 * 1024;
/** The last part of a window is held back: nothing is trained on it until the next run. */
const LATE = 0.2;
const PART_CHARACTERS = 8 * 1024 * 1024;
/** With fewer there is nothing to learn, or to judge by. */
const FEWEST = 100;
const FEWEST_LATE = 20;
/** As many of the late ones are judged by, the latest. */
const JUDGED = 10_000;

const RECORD = 'record.json';
const jobOf = ({ prefix }: TrainingSite, run: string): string => `${prefix}-${run}`;
const modelFile = (site: TrainingSite, run: string): string => `models/${jobOf(site, run)}/output/model.tar.gz`;

/**
 * Gathers what was committed since the last run: the early part for training, with all that earlier runs gathered and is
 * still kept, and the late part to judge by. Done again by the same run it does the same.
 *
 * @param run names this run: letters and digits
 * @returns where the training job finds its data, and whether they are enough
 */
export async function gatherWindow(site: TrainingSite, run: string, nowMs: number): Promise<Record<string, Json>> {
  const before = parseRecord(await site.files.get(RECORD));
  const record = before.windows.at(-1)?.run === run ? before : await gatherSince(site, before, run, nowMs);
  const names = record.windows.flatMap((window) => [
    ...partNames(window.run, 'early', window.early),
    ...(window.run === run ? [] : partNames(window.run, 'late', window.late)),
  ]);
  const manifest = `data/${run}/training.manifest`;
  await site.files.put(manifest, JSON.stringify([{ prefix: site.files.url('') }, ...names]));
  const window = record.windows.find((each) => each.run === run);
  const late = window ? Math.floor(window.transactions * LATE) : 0;
  const transactions = record.windows.reduce((sum, each) => sum + each.transactions, 0) - late;
  const enough = transactions >= FEWEST && late >= FEWEST_LATE;
  site.note('gathered', { run, transactions, late, enough });
  return { run, job: jobOf(site, run), manifest: site.files.url(manifest), transactions, late, enough };
}

async function gatherSince(
  site: TrainingSite,
  before: TrainingRecord,
  run: string,
  nowMs: number,
): Promise<TrainingRecord> {
  const { lines, to } = await committedSince(site, before.gatheredTo);
  const cut = lines.length - Math.floor(lines.length * LATE);
  const [early, late] = [partsOf(lines.slice(0, cut)), partsOf(lines.slice(cut))];
  for (const [kind, parts] of Object.entries({ early, late })) {
    const names = partNames(run, kind, parts.length);
    for (const [index, part] of parts.entries()) await site.files.put(names[index] ?? '', part);
  }
  const window = { run, endedAtMs: nowMs, early: early.length, late: late.length, transactions: lines.length };
  const kept = before.windows.filter(({ endedAtMs }) => endedAtMs > nowMs - site.keepMs);
  const record = { ...before, gatheredTo: to, windows: lines.length > 0 ? [...kept, window] : kept };
  await site.files.put(RECORD, JSON.stringify(record));
  return record;
}

/** The latest first, from each bucket of the index its share; then in the order of their commits. */
async function committedSince(
  site: TrainingSite,
  after: string,
): Promise<{ readonly lines: readonly string[]; readonly to: string }> {
  const found: { readonly at: string; readonly line: string }[] = [];
  for (let bucket = 0; bucket < site.copies; bucket += 1) {
    let [count, characters] = [0, 0];
    for await (const each of committedIn(site.tables, bucket, after)) {
      found.push(each);
      count += 1;
      characters += each.line.length;
      if (count >= MOST_TRANSACTIONS / site.copies || characters >= MOST_CHARACTERS / site.copies) break;
    }
  }
  found.sort((a, b) => (a.at < b.at ? -1 : 1));
  return { lines: found.map(({ line }) => line), to: found.at(-1)?.at ?? after };
}

async function* committedIn(
  tables: Tables,
  bucket: number,
  after: string,
): AsyncGenerator<{ readonly at: string; readonly line: string }> {
  let cursor: string | undefined;
  do {
    const from = after === '' ? {} : { from: `${after}\u0000` };
    const page = await tables.queryIndex({
      pk: indexPk('committed', bucket),
      ...from,
      ...(cursor === undefined ? {} : { after: cursor }),
      reverse: true,
      limit: 100,
    });
    for (const { key, item } of page.rows) {
      const entry = await decodeWhole({ tables }, key.pk.slice(key.pk.indexOf('#') + 1), item);
      if (!isDecided(entry)) continue;
      yield { at: String(item['indexSk']), line: `${JSON.stringify(finishedContext(entry))}\n` };
    }
    cursor = page.next;
  } while (cursor !== undefined);
}

function partsOf(lines: readonly string[]): string[] {
  const parts: string[] = [];
  let [part, length]: [string[], number] = [[], 0];
  for (const line of lines) {
    part.push(line);
    length += line.length;
    if (length < PART_CHARACTERS) continue;
    parts.push(part.join(''));
    [part, length] = [[], 0];
  }
  return part.length > 0 ? [...parts, part.join('')] : parts;
}

const partNames = (run: string, kind: string, parts: number): string[] =>
  Array.from({ length: parts }, (_, index) => `data/${run}/${kind}-${String(index).padStart(4, '0')}.jsonl`);

/**
 * Judges what this run trained, the model in use and the one before on the late data, and says which is to serve.
 *
 * @param serving the configuration that the endpoint has now
 * @param revision of the container and the endpoint's shape: a configuration of an older one is made anew
 * @returns what the endpoint is to be configured with, and whether that is a change
 */
export async function chooseModel(
  site: TrainingSite,
  { run, serving, revision }: { readonly run: string; readonly serving: string; readonly revision: string },
): Promise<Record<string, Json>> {
  const record = parseRecord(await site.files.get(RECORD));
  const later = await lateOf(site, record, run);
  const judge = async (of: string | undefined): Promise<Contender | undefined> => {
    if (of === undefined) return undefined;
    const text = await site.files.getModel(modelFile(site, of));
    return { run: of, verdict: text === undefined ? undefined : judgeModel(text, later) };
  };
  const challenger = await judge(run);
  const champion = await judge(record.champion);
  const previous = await judge(record.previous);
  const { run: chosen, why } = succeed(challenger, champion, previous);
  site.note('model chosen', { run: chosen ?? null, why, challenger, champion, previous });
  if (chosen === undefined) return { change: false, why };
  const name = `${jobOf(site, chosen)}-${revision}`;
  return { change: name !== serving, why, run: chosen, name, data: site.files.url(modelFile(site, chosen)) };
}

async function lateOf({ files }: TrainingSite, record: TrainingRecord, run: string): Promise<FinishedContext[]> {
  const window = record.windows.find((each) => each.run === run);
  const texts: string[] = [];
  for (const name of partNames(run, 'late', window?.late ?? 0)) texts.push((await files.get(name)) ?? '');
  const lines = texts.join('').split('\n').filter(Boolean).slice(-JUDGED);
  return lines.flatMap((line) => parseFinished(JSON.parse(line)) ?? []);
}

/** The endpoint serves this one now. */
export async function rememberModel(site: TrainingSite, run: string, why: Succession): Promise<void> {
  const record = parseRecord(await site.files.get(RECORD));
  await site.files.put(RECORD, JSON.stringify(servedNow(record, run, why)));
  site.note('model serves', { run, why });
}
