import { type Edge, type EdgeKind, type Graph, type Node, componentsOf } from './graph.js';
import { type Anomaly, type AnomalyKind, type CycleKind, anomaly } from './history.js';
import { endsBefore, realtimeEdge } from './realtime.js';

/** A cycle of each kind goes through one edge of a kind and returns over edges of these kinds. */
interface Search {
  readonly kind: AnomalyKind;
  readonly through: EdgeKind;
  readonly over: ReadonlySet<EdgeKind>;
}

/** The stronger contradictions first. */
const SEARCHES: readonly Search[] = [...searches([]), ...searches(['realtime'])];

const ALL: ReadonlySet<EdgeKind> = new Set(['ww', 'wr', 'rw', 'realtime']);

function searches(more: readonly ['realtime'] | readonly []): Search[] {
  const search = (kind: CycleKind, through: EdgeKind, over: readonly EdgeKind[]): Search => ({
    kind: more.length === 0 ? kind : `${kind}-realtime`,
    through,
    over: new Set([...over, ...more]),
  });
  return [
    search('G0', 'ww', ['ww']),
    search('G1c', 'wr', ['ww', 'wr']),
    search('G-single', 'rw', ['ww', 'wr']),
    search('G2-item', 'rw', ['ww', 'wr', 'rw']),
  ];
}

/** How many edges a search looks at once there is a cycle to report: in a ring of thousands it could take for ever. */
const EFFORT = 200_000;

/**
 * A cycle of each kind in each component, the shortest within reason. An edge counts for the shortest way back that it
 * has: where that makes a stronger kind, a longer one of a weaker kind over the same edge is not looked for.
 */
export function cyclesOf(graph: Graph): Anomaly[] {
  const nodes = cyclic(graph.nodes);
  const cycles: (readonly Edge[])[] = [];
  for (const search of SEARCHES) cycles.push(...cyclesLike(search, nodes, cycles));
  return cycles.map(describe);
}

function cyclesLike({ kind, through, over }: Search, nodes: readonly Node[], stronger: readonly (readonly Edge[])[]) {
  const components = componentsOf(nodes, new Set([...over, through]));
  const order = over.has(through) ? components : componentsOf(nodes, over);
  const reported = new Set(stronger.flatMap((cycle) => cycle.map(({ from }) => components.get(from))));
  const shortest = new Map<number, readonly Edge[]>();
  const effort = { left: EFFORT };
  for (const edge of nodes.flatMap(({ out }) => out)) {
    const component = components.get(edge.from);
    if (edge.kind !== through || component === undefined || component !== components.get(edge.to)) continue;
    if (effort.left <= 0 && (shortest.has(component) || reported.has(component))) continue;
    const back = wayBack(edge, over, order, shortest.get(component)?.length ?? Infinity, effort);
    const cycle = back && withoutStops([edge, ...back]);
    if (cycle !== undefined && kindOf(cycle) === kind) shortest.set(component, cycle);
  }
  return shortest.values();
}

/** Most histories have no cycle at all, and most others few nodes on one. */
function cyclic(nodes: readonly Node[]): Node[] {
  const components = componentsOf(nodes, ALL);
  const sizes = new Map<number, number>();
  for (const component of components.values()) sizes.set(component, (sizes.get(component) ?? 0) + 1);
  return nodes.filter((node) => (sizes.get(components.get(node) ?? -1) ?? 0) > 1);
}

/**
 * The shortest path from an edge's end to its start, if the cycle has fewer edges than the limit. The numbers of the
 * components fall along each path: whatever has a smaller one than the goal does not lead there.
 */
function wayBack(
  edge: Edge,
  over: ReadonlySet<EdgeKind>,
  order: ReadonlyMap<Node, number>,
  limit: number,
  effort: { left: number },
): Edge[] | undefined {
  const goal = order.get(edge.from) ?? Infinity;
  const reached = new Map<Node, Edge>([[edge.to, edge]]);
  let ends = [edge.to];
  for (let length = 2; length < limit && ends.length > 0; length += 1) {
    const next: Node[] = [];
    for (const step of ends.flatMap(({ out }) => out)) {
      effort.left -= 1;
      if (!over.has(step.kind) || reached.has(step.to) || (order.get(step.to) ?? -1) < goal) continue;
      reached.set(step.to, step);
      if (step.to === edge.from) return pathTo(step, edge, reached);
      next.push(step.to);
    }
    ends = next;
  }
  return undefined;
}

function pathTo(last: Edge, first: Edge, reached: ReadonlyMap<Node, Edge>): Edge[] {
  const path: Edge[] = [];
  for (let step = last; step !== first; step = reached.get(step.from) ?? first) path.push(step);
  return path.reverse();
}

/** Time needs no stops, but the frontier puts some on its way: whoever ended before another began leads there at once. */
function withoutStops([first, ...back]: readonly [Edge, ...Edge[]]): Edge[] {
  if (back.every(({ kind }) => kind !== 'realtime')) return [first, ...back];
  const steps = [first];
  let from = first.to;
  for (const [at, edge] of back.entries()) {
    if (edge.from !== from) continue;
    const last = back.findLast(({ to }, place) => place > at && endsBefore(from.transaction, to.transaction));
    steps.push(last === undefined ? edge : realtimeEdge(from, last.to));
    from = last?.to ?? edge.to;
  }
  return steps;
}

function kindOf(cycle: readonly Edge[]): AnomalyKind {
  const count = (kind: EdgeKind) => cycle.filter((edge) => edge.kind === kind).length;
  const kind = count('rw') > 1 ? 'G2-item' : count('rw') === 1 ? 'G-single' : count('wr') > 0 ? 'G1c' : 'G0';
  return count('realtime') > 0 ? `${kind}-realtime` : kind;
}

function describe(cycle: readonly Edge[]): Anomaly {
  const parties = cycle.map(({ from }) => from.transaction);
  return anomaly(kindOf(cycle), parties, cycle.map(({ explain }) => explain()).join('; '));
}
