/** Deployments as they are synthesised, without bundling anything. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration, Stage, type Stack } from 'aws-cdk-lib';
import { Lockstep, type LockstepProps } from '../../lib/index.js';
import { FUNCTIONS, TRAINER } from '../../src/adapters/aws/names.js';

// Loading CDK and the first synthesis take long on a busy machine.
jest.setTimeout(120_000);

export const EAST_WEST: LockstepProps = {
  sites: [
    { name: 'east', region: 'us-east-1' },
    { name: 'west', region: 'us-west-2' },
  ],
  streams: {
    orders: { shards: 2 },
    payments: { ordering: 'versioned' },
    audit: { mirrors: { create: 'on-begin' }, retentionHours: 168 },
  },
  barPeriod: Duration.seconds(5),
};

export interface Resource {
  readonly Type: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as deep as CloudFormation's own
  readonly Properties: Readonly<Record<string, any>>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly DependsOn?: readonly string[];
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown; readonly Export?: unknown }>>;
}

const folder = mkdtempSync(join(tmpdir(), 'lockstep-infra-'));
for (const role of [...FUNCTIONS, TRAINER]) {
  mkdirSync(join(folder, role));
  writeFileSync(join(folder, role, 'index.mjs'), `export const handler = () => '${role}';\n`);
}
mkdirSync(join(folder, 'container'));
writeFileSync(join(folder, 'container', 'Dockerfile'), 'FROM scratch\n');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @param validated by CDK itself, which takes a while: once is enough, where the rules are tried */
export function newApp({ validated = false } = {}): App {
  return new App({
    analyticsReporting: false,
    outdir: mkdtempSync(join(folder, 'out-')),
    context: {
      '@aws-cdk/core:validateAgainstDefaultRules': validated,
      '@aws-cdk/core:strictCfnValidateErrors': validated,
    },
  });
}

export function deployment(props: Partial<LockstepProps> = {}, app = newApp()): Lockstep {
  return new Lockstep(app, 'Orders', { ...EAST_WEST, bundles: folder, ...props });
}

/** The templates of a deployment by the name of their stack's construct: `control`, the sites, `{site}-predictor`. */
export function templatesOf(lockstep: Lockstep): Readonly<Record<string, Template>> {
  const assembly = Stage.of(lockstep)!.synth();
  const predictors = Object.entries(lockstep.predictors).map(([site, stack]) => [`${site}-predictor`, stack] as const);
  const stacks: Readonly<Record<string, Stack>> = {
    control: lockstep.control,
    ...lockstep.sites,
    ...Object.fromEntries(predictors),
  };
  return Object.fromEntries(
    Object.entries(stacks).map(([name, stack]) => [
      name,
      assembly.getStackArtifact(stack.artifactId).template as Template,
    ]),
  );
}

export function ofType({ Resources }: Template, type: string): readonly Resource[] {
  return Object.values(Resources).filter((resource) => resource.Type === type);
}

/** An intrinsic function as the text that it stands for: `${AWS::AccountId}` and the like stay as they are. */
export function textOf(value: unknown, template: Template): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [[name, given] = []] = Object.entries(value);
  if (name === 'Ref') return refOf(String(given), template);
  if (name === 'Fn::Join') {
    const [separator, parts] = given as [string, unknown[]];
    return parts.map((part) => textOf(part, template)).join(separator);
  }
  if (name === 'Fn::Sub') return String(given);
  if (name === 'Fn::GetAtt') return `\${${(given as string[]).join('.')}}`;
  return JSON.stringify(value);
}

function refOf(id: string, { Resources }: Template): string {
  const properties = Resources[id]?.Properties ?? {};
  return String(properties['TableName'] ?? properties['FunctionName'] ?? properties['LogGroupName'] ?? `\${${id}}`);
}
