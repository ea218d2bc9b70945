import type { WorkflowName } from '../ports/workflows.js';
import type { Workflow } from './declaration.js';
import { PROVISIONING } from './provisioning.js';
import { RECONCILIATION } from './reconciliation.js';
import { SWITCHOVER } from './switchover.js';

export const WORKFLOWS: Readonly<Record<WorkflowName, Workflow>> = {
  reconciliation: RECONCILIATION,
  switchover: SWITCHOVER,
  provisioning: PROVISIONING,
};
