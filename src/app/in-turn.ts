/**
 * Does one after the other, each whatever became of those before it: what goes on at every tick is not kept from going on
 * by something beside it that fails at every tick.
 *
 * @throws what the first one threw that failed, when all have ended
 */
export async function inTurn(...works: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const work of works) await work().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}
