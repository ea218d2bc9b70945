const MEMORY = Symbol('remembered');

/**
 * What was made of an immutable list, kept on the list itself: several sites in one process need the same text. A
 * WeakMap would say the same, but costs the garbage collector more than making the text again.
 */
export function remembered<T extends readonly unknown[], R>(list: T, what: string, make: (list: T) => R): R {
  const holder = list as T & { [MEMORY]?: Record<string, unknown> };
  const memory = (holder[MEMORY] ??= {});
  return (memory[what] ??= make(list)) as R;
}
