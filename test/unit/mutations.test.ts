import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MUTATIONS, mutated } from '../mutations.js';

describe('the list of mutations', () => {
  it.each(MUTATIONS)('$name: what keeps the rule stands exactly once in $file', (mutation) => {
    const source = readFileSync(join(__dirname, '..', '..', mutation.file), 'utf8');
    expect(mutated(mutation, source)).not.toBe(source);
  });

  it('names each rule once', () => {
    const names = MUTATIONS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
