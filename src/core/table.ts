/**
 * Items, conditions and writes as plain data: the language in which the protocol says what a site's tables are to hold,
 * and in which the tables port takes it.
 *
 * The shape is that of DynamoDB, reduced to what the protocol uses. An item is a flat map of scalars under a partition
 * key and a sort key; sort keys order the items of a partition. An item that carries `indexPk` and `indexSk` (strings)
 * also stands in the secondary index, which decides nothing.
 */

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

export type Scalar = string | number | boolean | Uint8Array;
export type Item = Readonly<Record<string, Scalar>>;

export interface Row {
  readonly key: Key;
  readonly item: Item;
}

export interface Comparison {
  readonly attribute: string;
  readonly is: '=' | '<' | '<=' | '>' | '>=';
  /** Compared with an attribute of the same type; a missing attribute satisfies no comparison. */
  readonly value: string | number | boolean;
}

/** `absent`, or an item that satisfies every comparison (`[]`: it exists). */
export type Clause = 'absent' | readonly Comparison[];

/** A write goes ahead when one of its clauses holds; without clauses it always does. */
export type Condition = readonly Clause[];

export type Write =
  | { readonly kind: 'put'; readonly key: Key; readonly item: Item; readonly when?: Condition }
  | { readonly kind: 'delete'; readonly key: Key; readonly when?: Condition }
  | { readonly kind: 'check'; readonly key: Key; readonly when: Condition };

/** At most so many bytes does a write take of what one transaction may hold: quick to say, up to three times too many. */
export function bytesAtMost(write: Write): number {
  const { key } = write;
  let characters = key.pk.length + key.sk.length + 16;
  if (write.kind === 'put') {
    for (const name in write.item) {
      const value = write.item[name];
      const isLong = typeof value === 'string' || value instanceof Uint8Array;
      characters += name.length + (isLong ? value.length : 16);
    }
  }
  return characters * 3;
}
