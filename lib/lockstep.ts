import { Tags } from 'aws-cdk-lib';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { join } from 'node:path';
import { bundles, containerBundle } from './bundles.js';
import { type ConsumerProps, consumerAt, refuseConsumer } from './consumer.js';
import { ControlStack } from './control-stack.js';
import { packageRoot } from './package-root.js';
import { PredictorStack } from './predictor-stack.js';
import { type LockstepProps, type Settings, settle } from './props.js';
import { SiteStack } from './site-stack.js';

/**
 * A deployment: one stack for what all sites share, one per site, and one per site whose predictor is an endpoint.
 *
 * @example
 * const app = new App();
 * new Lockstep(app, 'Orders', {
 *   sites: [
 *     { name: 'east', region: 'us-east-1' },
 *     { name: 'west', region: 'us-west-2' },
 *   ],
 *   streams: { orders: { shards: 2 }, payments: { ordering: 'versioned' } },
 * });
 */
export class Lockstep extends Construct {
  readonly control: ControlStack;
  /** By the site's name. */
  readonly sites: Readonly<Record<string, SiteStack>>;
  /** By the site's name; empty where `prediction.endpoint` is not given. */
  readonly predictors: Readonly<Record<string, PredictorStack>>;
  readonly #settings: Settings;

  /** @throws Error that names every wrong field of the props and says what to write there */
  constructor(scope: Construct, id: string, props: LockstepProps) {
    super(scope, id);
    const settings = settle(id, props);
    this.#settings = settings;
    const { deployment, deletionProtection } = settings;
    const common = {
      terminationProtection: deletionProtection,
      // Stacks find one another's resources by name: nothing is exported from one to the other.
      crossRegionReferences: false,
    };
    const env = (region: string) => ({ region, ...(settings.home.account ? { account: settings.home.account } : {}) });
    this.control = new ControlStack(this, 'control', settings, {
      ...common,
      env: env(settings.control.region),
      description: `Lockstep ${deployment}: the control table`,
    });
    const folder = settings.bundles ?? bundles(packageRoot());
    let before: ControlStack | SiteStack = this.control;
    const container = (): string =>
      settings.bundles ? join(settings.bundles, 'container') : containerBundle(packageRoot());
    const sites: Record<string, SiteStack> = {};
    const predictors: Record<string, PredictorStack> = {};
    for (const site of settings.sites) {
      const stack: SiteStack = new SiteStack(this, site.name, {
        ...common,
        env: env(site.region),
        description: `Lockstep ${deployment}: site ${site.name}`,
        settings,
        site,
        bundles: folder,
      });
      // Only an order, so that the last one may declare the streams (schedules.ts).
      stack.addStackDependency(before, 'the control table is there first, and the sites come one after the other');
      before = stack;
      sites[site.name] = stack;
      if (settings.prediction.kind !== 'endpoint') continue;
      const predictor = new PredictorStack(this, `${site.name}-predictor`, {
        ...common,
        env: env(site.region),
        description: `Lockstep ${deployment}: the predictor of site ${site.name}`,
        settings,
        endpoint: settings.prediction,
        site,
        bundles: folder,
        container,
      });
      predictor.addStackDependency(stack, 'what it learns from is there first');
      predictors[site.name] = predictor;
    }
    this.sites = sites;
    this.predictors = predictors;
    Tags.of(this).add('lockstep:deployment', deployment);
  }

  /**
   * A function that gets the events of streams: one at each site, of which those read whose replica is active. A switchover
   * moves it. What it is made of is `consumer` from `lockstep-streams/lambda`.
   *
   * @param name lower-case letters, digits and hyphens
   * @returns the functions by their site @throws Error saying what is wrong with it
   * @example
   * lockstep.addConsumer('billing', {
   *   streams: ['orders'],
   *   handler: ({ scope, functionName }) => new NodejsFunction(scope, 'Billing', { functionName, entry: 'billing.ts' }),
   * });
   */
  addConsumer(name: string, props: ConsumerProps): Readonly<Record<string, Function>> {
    refuseConsumer(name, props, this.#settings);
    if (props.exactlyOnce !== false) this.control.addConsumersTable();
    const made = this.#settings.sites.flatMap((site) => {
      const stack = this.sites[site.name];
      return stack ? [[site.name, consumerAt(stack, name, props, { settings: this.#settings, site })] as const] : [];
    });
    return Object.fromEntries(made);
  }
}
