const MEMORY = Symbol('remembered');

/**
 * What was made of an immutable list, kept on the list itself: several sites in one process need the same text. A
 * WeakMap would say the same, but costs the garbage collector more than making the text again.
 */
export function remembered<T extends readonly unknown[], R>(list: T, what: string, make: (list: T) => R): R {
  const holder: { [MEMORY]?: Map<string, unknown> } = list as T & { [MEMORY]?: Map<string, unknown> };
  const memory = holder[MEMORY] ?? new Map<string, unknown>();
  holder[MEMORY] = memory;
  const known = memory.get(what);
  if (known !== undefined) return known as R;
  const made = make(list);
  memory.set(what, made);
  return made;
}
