/** Checkpoints in files. The one part of the client that needs Node. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { LockstepError } from '../core/errors.js';
import type { CheckpointStore } from './checkpoints.js';

const MAX_NAME_CHARS = 180;

/**
 * Checkpoints as files of a directory, one per reader group and what it reads. A crash, also of the machine, leaves the
 * old or the new one, never half of one.
 *
 * @param directory is made where it is missing; two processes must not read with the same group at once
 */
export function fileCheckpoints(directory: string): CheckpointStore {
  return {
    load: (name) => load(join(directory, fileName(name)), name),
    save: async (name, checkpoint) => {
      await mkdir(directory, { recursive: true });
      await replace(directory, fileName(name), `${JSON.stringify({ name, checkpoint })}\n`);
    },
  };
}

function fileName(name: string): string {
  const plain = encodeURIComponent(name);
  const short = plain.length <= MAX_NAME_CHARS ? plain : createHash('sha256').update(name).digest('hex');
  return `${short}.checkpoint`;
}

async function load(file: string, name: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const checkpoint = checkpointOf(text, name);
  if (checkpoint === undefined) {
    throw new LockstepError(
      'InvalidCheckpoint',
      `${file} is damaged: restore it, or remove it to read from the oldest`,
    );
  }
  return checkpoint;
}

function checkpointOf(text: string, name: string): string | undefined {
  try {
    const content = JSON.parse(text) as Partial<Record<string, unknown>> | null;
    return content?.['name'] === name && typeof content['checkpoint'] === 'string' ? content['checkpoint'] : undefined;
  } catch {
    return undefined;
  }
}

/** Written beside it, synced, renamed over it, and the directory synced, without which the renaming may be lost. */
async function replace(directory: string, name: string, text: string): Promise<void> {
  const file = join(directory, name);
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  await syncDirectory(directory);
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows opens no directories; renaming is durable there by itself.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
