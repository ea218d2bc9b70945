import type { ListAppendTransaction } from './history.js';

/**
 * Why one transaction comes before another: it made the version before (ww), the version that was read (wr), read the
 * version before (rw), or had ended before the other began (realtime).
 */
export type EdgeKind = 'ww' | 'wr' | 'rw' | 'realtime';

export interface Edge {
  readonly kind: EdgeKind;
  readonly from: Node;
  readonly to: Node;
  readonly explain: () => string;
}

export interface Node {
  readonly transaction: ListAppendTransaction;
  readonly out: Edge[];
}

export class Graph {
  readonly #nodes: ReadonlyMap<ListAppendTransaction, Node>;

  constructor(transactions: Iterable<ListAppendTransaction>) {
    this.#nodes = new Map([...transactions].map((transaction) => [transaction, { transaction, out: [] }]));
  }

  get nodes(): Node[] {
    return [...this.#nodes.values()];
  }

  /** Nothing, where one of them is not of this graph: it does not count. */
  link(kind: EdgeKind, before: ListAppendTransaction, after: ListAppendTransaction, explain: () => string): void {
    const from = this.#nodes.get(before);
    const to = this.#nodes.get(after);
    if (from !== undefined && to !== undefined && from !== to) from.out.push({ kind, from, to, explain });
  }
}

interface Mark {
  readonly node: Node;
  /** How many nodes had been found before. */
  readonly found: number;
  /** The earliest found node of the same component that is known to be reached from here. */
  low: number;
  looked: number;
  component: number | undefined;
}

/**
 * Strongly connected components over edges of these kinds (Tarjan, without recursion: histories are long). They are
 * numbered against the edges: an edge leads to the same number or to a smaller one.
 */
export function componentsOf(nodes: readonly Node[], kinds: ReadonlySet<EdgeKind>): ReadonlyMap<Node, number> {
  const marks = new Map<Node, Mark>();
  const components = new Map<Node, number>();
  const open: Mark[] = [];
  const path: Mark[] = [];
  let count = 0;

  const enter = (node: Node) => {
    const mark = { node, found: marks.size, low: marks.size, looked: 0, component: undefined };
    marks.set(node, mark);
    open.push(mark);
    path.push(mark);
  };
  const leave = (mark: Mark) => {
    path.pop();
    const parent = path.at(-1);
    if (parent !== undefined) parent.low = Math.min(parent.low, mark.low);
    if (mark.low < mark.found) return;
    for (const member of open.splice(open.lastIndexOf(mark))) {
      member.component = count;
      components.set(member.node, count);
    }
    count += 1;
  };

  for (const root of nodes) {
    if (!marks.has(root)) enter(root);
    for (let mark = path.at(-1); mark !== undefined; mark = path.at(-1)) {
      const edge = mark.node.out[mark.looked];
      mark.looked += 1;
      if (edge === undefined) leave(mark);
      else if (kinds.has(edge.kind)) {
        const next = marks.get(edge.to);
        if (next === undefined) enter(edge.to);
        else if (next.component === undefined) mark.low = Math.min(mark.low, next.found);
      }
    }
  }
  return components;
}
