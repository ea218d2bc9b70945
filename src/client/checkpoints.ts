/** Where reader groups keep how far they have read. */

/** A place for checkpoints. A reader calls it for one name at a time, never twice at once. */
export interface CheckpointStore {
  /** @param name of a reader group and what it reads, up to some thousand characters */
  load(name: string): Promise<string | undefined>;
  /** When the promise resolves, a later `load` gives this one, also after a crash if the store is to survive one. */
  save(name: string, checkpoint: string): Promise<void>;
}

/** Checkpoints that last as long as the process. */
export function memoryCheckpoints(): CheckpointStore {
  const checkpoints = new Map<string, string>();
  return {
    load: async (name) => checkpoints.get(name),
    save: async (name, checkpoint) => {
      checkpoints.set(name, checkpoint);
    },
  };
}
