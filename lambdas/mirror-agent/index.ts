/** What other sites ask of this one. */
import { answerAt } from '../site.js';

export function handler(request: unknown): Promise<unknown> {
  return answerAt((site) => site.answer(request));
}
