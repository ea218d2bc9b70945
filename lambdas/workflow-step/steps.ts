/** The steps that workflows are made of: each a use case that may be repeated. */
import * as z from 'zod';
import type { SiteNode } from '../../src/app/node.js';
import { returnSite } from '../../src/app/return.js';
import { reconcileBody, streamName, switchoverBody } from '../../src/http/schemas.js';

interface Step {
  /** What it is to do, checked. @throws z.ZodError */
  readonly parse: (input: unknown) => (node: SiteNode) => Promise<unknown>;
}

function step<S extends z.ZodType>(schema: S, run: (node: SiteNode, input: z.output<S>) => Promise<unknown>): Step {
  return {
    parse: (input) => {
      const parsed = schema.parse(input ?? {});
      return (node) => run(node, parsed);
    },
  };
}

const nothing = z.strictObject({});

const STEPS = {
  /** Makes another replica of a stream the active one. */
  switchover: step(switchoverBody.extend({ stream: streamName }), ({ service }, { stream, ...request }) =>
    service.switchover(stream, request),
  ),
  /** Where a stream is active and how its mirrors stand: what a switchover verifies. */
  'describe-stream': step(z.strictObject({ stream: streamName }), ({ service }, { stream }) =>
    service.getStream(stream),
  ),
  /** Creates, fills and reshards this site's replicas, as they are defined. */
  provision: step(nothing, (node) => node.tend()),
  /** This site comes back: fences itself, cleans, joins, and makes itself equal to home. */
  return: step(nothing, ({ site }) => returnSite(site)),
  /** Starts to compare this site with home; the step ends when that has ended. */
  reconcile: step(reconcileBody.omit({ site: true }), ({ service, site }, request) =>
    service.reconcile({ ...request, site: site.name }),
  ),
  /** How far a reconciliation is, and its proof. */
  'describe-reconciliation': step(z.strictObject({ id: z.string() }), ({ service }, { id }) =>
    service.getReconciliation(id),
  ),
} satisfies Readonly<Record<string, Step>>;

const names = Object.keys(STEPS) as (keyof typeof STEPS)[];
const request = z.strictObject({ step: z.enum(names), input: z.unknown().optional() });

/** @throws z.ZodError where there is no such step, or where it does not take this input */
export function parseStep(event: unknown): (node: SiteNode) => Promise<unknown> {
  const { step: name, input } = request.parse(event);
  return STEPS[name].parse(input);
}
