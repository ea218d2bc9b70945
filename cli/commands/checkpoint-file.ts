import { open, readFile, rename } from 'node:fs/promises';
import type { CheckpointStore } from '../../src/client/index.js';
import { LockstepError } from '../../src/core/errors.js';
import { codeOf } from '../errors.js';

/** The checkpoint of one reading in one file that the user names. A crash leaves the old one or the new one. */
export function checkpointFile(file: string): CheckpointStore {
  return {
    async load(name) {
      const content = parse(await read(file));
      if (content === undefined) return undefined;
      if (content.name === name && content.checkpoint !== undefined) return content.checkpoint;
      const what = content.name === undefined ? 'holds no checkpoint' : `is of another reading (${content.name})`;
      throw new LockstepError(
        'InvalidCheckpoint',
        `${file} ${what}: name another file, or remove it to read from the oldest`,
      );
    },
    async save(name, checkpoint) {
      const temporary = `${file}.tmp`;
      const handle = await open(temporary, 'w');
      try {
        await handle.writeFile(`${JSON.stringify({ name, checkpoint })}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, file);
    },
  };
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parse(text: string | undefined): { readonly name?: string; readonly checkpoint?: string } | undefined {
  if (text === undefined) return undefined;
  try {
    const { name, checkpoint } = JSON.parse(text) as Record<string, unknown>;
    return typeof name === 'string' && typeof checkpoint === 'string' ? { name, checkpoint } : {};
  } catch {
    return {};
  }
}
