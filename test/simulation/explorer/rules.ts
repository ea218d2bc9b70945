import * as plan from '../../../src/core/plan.js';
import * as route from '../../../src/core/route.js';

/**
 * The conditions and changes of the protocol that the explorer runs: those of the code. A test hands in one that was
 * broken, to see that the explorer finds it.
 */
export const RULES = {
  checkDecisionGuard: plan.checkDecisionGuard,
  checkTerm: plan.checkTerm,
  checkRound: plan.checkRound,
  originCondition: plan.originCondition,
  newOrOpen: plan.NEW_OR_OPEN,
  logWrites: plan.logWrites,
  clearMark: plan.clearMark,
  followOn: plan.followOn,
  raiseVersions: plan.raiseVersions,
  setBackVersions: plan.setBackVersions,
  followersOf: route.followersOf,
  shrink: route.shrink,
  beginReturn: route.beginReturn,
  startJoin: route.startJoin,
  finishJoin: route.finishJoin,
  takeOver: route.takeOver,
  serve: route.serve,
};

export type Rules = typeof RULES;
