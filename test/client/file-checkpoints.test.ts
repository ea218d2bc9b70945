import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileCheckpoints } from '../../src/client/index.js';
import { setUp } from './support/fake-stream.js';

const directories: string[] = [];
async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-checkpoints-'));
  directories.push(directory);
  return directory;
}
afterAll(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true }))));

describe('file checkpoints', () => {
  test('outlive the process', async () => {
    const directory = join(await temporary(), 'made', 'here');
    const { stream, clock, read } = setUp(7);
    expect(await clock.run(read({ checkpointStore: fileCheckpoints(directory) }))).toEqual(stream.ids);
    stream.append(1);
    expect(await clock.run(read({ checkpointStore: fileCheckpoints(directory) }))).toEqual(stream.ids.slice(7));
    expect(await readdir(directory)).toEqual(['default%2Fevents%2Forders.checkpoint']);
  });

  test('are kept apart by name, of any length and with any characters', async () => {
    const store = fileCheckpoints(await temporary());
    const names = ['a/b', 'a%2Fb', '../x', 'ü', 'long'.repeat(500), `${'long'.repeat(500)}er`, ''];
    for (const name of names) expect(await store.load(name)).toBe(undefined);
    for (const name of names) await store.save(name, `at ${name}`);
    for (const name of names) expect(await store.load(name)).toBe(`at ${name}`);
  });

  test.each(['', '{', 'null', '{"name":"other","checkpoint":"c"}', '{"name":"x"}'])(
    'that are damaged (%j) are refused, not taken for none',
    async (content) => {
      const directory = await temporary();
      const store = fileCheckpoints(directory);
      await store.save('x', 'c');
      await writeFile(join(directory, 'x.checkpoint'), content);
      await expect(store.load('x')).rejects.toMatchObject({ code: 'InvalidCheckpoint' });
    },
  );

  test('survive what a crash leaves behind', async () => {
    const directory = await temporary();
    const store = fileCheckpoints(directory);
    await store.save('x', 'old');
    await writeFile(join(directory, 'x.checkpoint.tmp'), '{"name":');
    expect(await store.load('x')).toBe('old');
    await store.save('x', 'new');
    expect(await readFile(join(directory, 'x.checkpoint'), 'utf8')).toContain('new');
  });

  test('tell of a directory that is none', async () => {
    const file = join(await temporary(), 'file');
    await writeFile(file, '');
    await expect(fileCheckpoints(file).save('x', 'c')).rejects.toThrow();
    await expect(fileCheckpoints(file).load('x')).rejects.toThrow();
  });
});
