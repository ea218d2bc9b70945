import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedControlStore } from '../../src/adapters/embedded/control-store.js';
import { LmdbStore } from '../../src/adapters/embedded/lmdb-store.js';
import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import type { OrderedStore } from '../../src/adapters/embedded/ordered-store.js';
import { EmbeddedStreams } from '../../src/adapters/embedded/streams.js';
import { systemClock } from '../../src/adapters/embedded/system.js';
import { EmbeddedTables } from '../../src/adapters/embedded/tables.js';
import { describeControlStore } from './control-store.contract.js';
import { describeStreams } from './streams.contract.js';
import { describeTables } from './tables.contract.js';

interface Opened {
  readonly store: OrderedStore;
  close(): Promise<void>;
}

function inMemory(): Opened {
  const store = new MemoryStore();
  return { store, close: () => store.close() };
}

function onDisk(): Opened {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep.contract-'));
  const store = new LmdbStore(directory);
  return {
    store,
    close: async () => {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
}

describe.each([
  ['in memory', inMemory],
  ['lmdb', onDisk],
])('embedded, %s', (name, open) => {
  describeTables(name, async () => {
    const { store, close } = open();
    return { tables: new EmbeddedTables(store), close };
  });

  describeStreams(name, async () => {
    const { store, close } = open();
    return { streams: new EmbeddedStreams(store, systemClock), close };
  });

  describeControlStore(name, async () => {
    const { store, close } = open();
    return { control: new EmbeddedControlStore(store), close };
  });

  // All adapters of a site share one store, one file and one sync: none must touch what the others keep.
  describe('in one store with others', () => {
    const { store, close } = open();
    const namespace = 'eu';
    describeTables(
      `${name}, shared`,
      async () => ({ tables: new EmbeddedTables(store, { namespace }), close: async () => undefined }),
      { runs: 10 },
    );
    describeStreams(
      `${name}, shared`,
      async () => ({ streams: new EmbeddedStreams(store, systemClock, { namespace }), close: async () => undefined }),
      { runs: 5 },
    );
    describeControlStore(
      `${name}, shared`,
      async () => ({ control: new EmbeddedControlStore(store, { namespace }), close }),
      { runs: 5 },
    );
  });
});
