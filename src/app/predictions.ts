import type { PredictionsAnswer } from '../core/api.js';
import { MODEL_KEY } from '../core/items.js';
import type { Foreseer, Site } from './site.js';
import { NO_TALLY, type Tally, addTally, readTally } from './tally.js';

type Model = PredictionsAnswer['model'];

const NO_MODEL: Model = { name: 'none', version: '0', metrics: {} };

/** What became of the candidates of this site, and who foresaw them. */
export async function predictionsOf(site: Site, backfill: Foreseer | undefined): Promise<PredictionsAnswer> {
  const [tally, model] = await Promise.all([readTally(site), backfill ? modelOf(backfill) : readModel(site)]);
  return answer(model, tally);
}

/** Writes down who foresees in this process, for those of the site that do not. @returns what was written */
export async function keepModel(site: Site, backfill: Foreseer, before?: string): Promise<string> {
  const model = JSON.stringify(await modelOf(backfill));
  if (model !== before) await site.tables.transact([{ kind: 'put', key: MODEL_KEY, item: { model } }]);
  return model;
}

async function modelOf(backfill: Foreseer): Promise<Model> {
  const description = await backfill.describe();
  if (!description) return { ...NO_MODEL, name: 'silent' };
  const { version, metrics, trainingWindow } = description;
  const window = trainingWindow ? { trainedAt: trainingWindow.to, trainingWindow } : {};
  return { name: 'predictor', version, metrics, ...window };
}

async function readModel(site: Site): Promise<Model> {
  const [item] = await site.tables.get([MODEL_KEY]);
  return item ? (JSON.parse(String(item['model'])) as Model) : NO_MODEL;
}

/** All sites together; one that does not answer is left out. The model is that of a follower: there it is at work. */
export async function predictionsOfAll(site: Site, backfill: Foreseer | undefined): Promise<PredictionsAnswer> {
  const { home } = site.routes.known;
  const names = site.ports.deployment.sites.map(({ name }) => name);
  const ownAnswers = await Promise.all(
    names.map((name) => (name === site.name ? predictionsOf(site, backfill) : askOther(site, name))),
  );
  const answers = ownAnswers.flatMap((own, index) => (own ? [{ own, isHome: names[index] === home }] : []));
  const at = answers.find(({ isHome }) => !isHome) ?? answers[0];
  const tally = answers.reduce((sum, { own }) => addTally(sum, tallyOf(own)), NO_TALLY);
  return answer(at?.own.model ?? NO_MODEL, tally);
}

async function askOther(site: Site, other: string): Promise<PredictionsAnswer | undefined> {
  try {
    const asked = { operation: 'getPredictions', args: [true] } as const;
    return (await site.peers.agent(other).perform(asked)) as PredictionsAnswer;
  } catch {
    return undefined;
  }
}

function answer(model: Model, tally: Tally): PredictionsAnswer {
  const { written, confirmed, wrong, expired, bytesWritten, bytesWasted, waitSavedMs } = tally;
  return {
    model,
    counts: { written, confirmed, wrong, expired },
    bytes: { written: bytesWritten, wasted: bytesWasted },
    waitSavedMs: Math.round(waitSavedMs),
  };
}

const tallyOf = ({ counts, bytes, waitSavedMs }: PredictionsAnswer): Tally => ({
  ...counts,
  bytesWritten: bytes.written,
  bytesWasted: bytes.wasted,
  waitSavedMs,
});
