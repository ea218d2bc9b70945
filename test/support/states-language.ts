import type { Json } from '../../src/core/api.js';
import { errorName } from '../../src/workflows/run.js';
import type { Clock } from '../../src/ports/environment.js';
import type { Context, Perform } from '../../src/ports/workflows.js';

/** The part of Amazon States Language that workflows compile to, read as AWS documents it; jitter is left out. */
interface Machine {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, MachineState>>;
}

interface MachineState {
  readonly Type: 'Task' | 'Map' | 'Choice' | 'Wait' | 'Succeed' | 'Fail';
  readonly Next?: string;
  readonly End?: boolean;
  readonly Parameters?: Readonly<Record<string, string>>;
  readonly ResultPath?: string | null;
  readonly Retry?: readonly {
    readonly ErrorEquals: readonly string[];
    readonly MaxAttempts: number;
    readonly IntervalSeconds: number;
    readonly BackoffRate: number;
  }[];
  readonly Catch?: readonly {
    readonly ErrorEquals: readonly string[];
    readonly ResultPath: string;
    readonly Next: string;
  }[];
  readonly ItemsPath?: string;
  readonly ItemSelector?: Readonly<Record<string, string>>;
  readonly ItemProcessor?: Machine;
  readonly Choices?: readonly { readonly And: readonly Test[]; readonly Next: string }[];
  readonly Default?: string;
  readonly Seconds?: number;
  readonly ErrorPath?: string;
  readonly CausePath?: string;
}

interface Test {
  readonly Variable: string;
  readonly IsPresent?: boolean;
  readonly BooleanEquals?: boolean;
}

/** How a state machine fails: with a name and a cause, both texts. */
class MachineFailed extends Error {
  constructor(name: string, cause: string) {
    super(cause);
    this.name = name;
  }
}

export interface Around {
  readonly perform: Perform;
  readonly clock: Clock;
}

export async function interpret(definition: object, input: Json, around: Around): Promise<Json> {
  const machine = definition as Machine;
  let data = input;
  let at: string | undefined = machine.StartAt;
  while (at !== undefined) {
    const state: MachineState | undefined = machine.States[at];
    if (!state) throw new Error(`no state ${at}`);
    if (state.Type === 'Fail') throw new MachineFailed(text(data, state.ErrorPath), text(data, state.CausePath));
    if (state.Type === 'Succeed') return data;
    if (state.Type === 'Choice') {
      at = chosen(state, data);
      continue;
    }
    if (state.Type === 'Wait') {
      await around.clock.sleep((state.Seconds ?? 0) * 1000);
      at = state.Next;
      continue;
    }
    const end = await attempt(state, data, around);
    data = end.data;
    at = end.next;
  }
  return data;
}

async function attempt(
  state: MachineState,
  data: Json,
  around: Around,
): Promise<{ readonly data: Json; readonly next: string | undefined }> {
  for (let failed = 0; ; failed += 1) {
    try {
      const result = state.Type === 'Map' ? await map(state, data, around) : await call(state, data, around);
      return { data: state.ResultPath === null ? data : put(data, state.ResultPath, result), next: state.Next };
    } catch (error) {
      const name = errorName(error);
      const retry = state.Retry?.find(({ ErrorEquals }) => matches(ErrorEquals, name));
      if (retry && failed < retry.MaxAttempts) {
        await around.clock.sleep(retry.IntervalSeconds * 1000 * retry.BackoffRate ** failed);
        continue;
      }
      const caught = state.Catch?.find(({ ErrorEquals }) => matches(ErrorEquals, name));
      if (!caught) throw error;
      const told = { Error: name, Cause: error instanceof Error ? error.message : String(error) };
      return { data: put(data, caught.ResultPath, told), next: caught.Next };
    }
  }
}

const matches = (names: readonly string[], name: string): boolean =>
  names.includes('States.ALL') || names.includes(name);

/** What the function behind the steps does with its input, see lambdas/workflow-step. */
async function call({ Parameters = {} }: MachineState, data: Json, { perform }: Around): Promise<Json> {
  const given = fill(Parameters, data, undefined) as { step: string; context: Context; item?: Json };
  const item = given.item === undefined ? {} : { item: given.item };
  return (await perform(given.step, { ...given.context, ...item })) ?? null;
}

async function map(state: MachineState, data: Json, around: Around): Promise<Json> {
  const items = get(data, state.ItemsPath) as readonly Json[];
  const { ItemProcessor, ItemSelector = {} } = state;
  if (!ItemProcessor) throw new Error('a map without a processor');
  const ends = items.map((item) => interpretItem(ItemProcessor, fill(ItemSelector, data, item), around));
  return Promise.all(ends);
}

/** A single task: its result is the item's. */
async function interpretItem({ StartAt, States }: Machine, input: Json, around: Around): Promise<Json> {
  const state = States[StartAt];
  if (!state) throw new Error(`no state ${StartAt}`);
  const end = await attempt({ ...state, ResultPath: '$' }, input, around);
  return end.data;
}

function chosen({ Choices = [], Default }: MachineState, data: Json): string | undefined {
  const holds = ({ Variable, IsPresent, BooleanEquals }: Test): boolean => {
    const value = get(data, Variable);
    return IsPresent === undefined ? value === BooleanEquals : (value !== undefined) === IsPresent;
  };
  return Choices.find(({ And }) => And.every(holds))?.Next ?? Default;
}

function fill(template: Readonly<Record<string, string>>, data: Json, item: Json | undefined): Json {
  const members = Object.entries(template).map(([name, value]) => {
    if (!name.endsWith('.$')) return [name, value] as const;
    return [name.slice(0, -2), value === '$$.Map.Item.Value' ? item : get(data, value)] as const;
  });
  return Object.fromEntries(members) as Json;
}

function get(data: Json, path = '$'): Json | undefined {
  const names = path.split('.').slice(1);
  return names.reduce<Json | undefined>(
    (value, name) => (value as Readonly<Record<string, Json>> | undefined)?.[name],
    data,
  );
}

const text = (data: Json, path: string | undefined): string => get(data, path) as string;

function put(data: Json, path = '$', value: Json): Json {
  const [, name] = path.split('.');
  return name === undefined ? value : { ...(data as Readonly<Record<string, Json>>), [name]: value };
}
