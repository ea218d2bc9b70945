import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const read = (...path: readonly string[]): string => readFileSync(join(ROOT, ...path), 'utf8');
const README = read('docs', 'spec', 'README.md');
const CONFIGURATIONS = read('scripts', 'lib', 'spec-configurations.mjs');
const SOURCES = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);

const quoted = (text: string): readonly string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

/** The rows of the table under a heading, as cells; without its head. */
function tableUnder(heading: string): readonly (readonly string[])[] {
  const [, section = ''] = README.split(`\n## ${heading}\n`);
  const lines = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('|'));
  return [lines[0] ?? '', ...lines.slice(2)].map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What a cell says of the code, and what is not so. */
function notThere(cell: string): readonly string[] {
  let source = '';
  return quoted(cell).filter((name) => {
    if (name.endsWith('.ts')) {
      const path = SOURCES.find((one) => one === name || one.endsWith(`/${name}`));
      if (path === undefined) return true;
      source = read('src', path);
      return false;
    }
    return !name.split('.').every((word) => new RegExp(`\\b${word}\\b`).test(source));
  });
}

const actions = (() => {
  let module = '';
  return tableUnder('Each action and the code').flatMap(([names = '', code = '']) => {
    const [first = ''] = quoted(names);
    if (first.endsWith('.tla')) module = first;
    return first.endsWith('.tla') ? [] : [{ module, names, code }];
  });
})();

const rules = tableUnder('The rules')
  .slice(1)
  .map(([module = '', rule = '', , code = '', fails = '']) => ({
    module,
    rule: quoted(rule)[0] ?? '',
    code,
    fails: quoted(fails)[0] ?? '',
  }));

describe('the tables of docs/spec/README.md', () => {
  it.each(actions)('$module $names: actions of the specification, and what they are in the code', (row) => {
    const specification = read('docs', 'spec', row.module);
    const missing = quoted(row.names).filter(
      (name) => !new RegExp(`^${name}(\\([^)]*\\))? ==`, 'm').test(specification),
    );
    expect([...missing, ...notThere(row.code)]).toEqual([]);
  });

  it.each(rules)('$module $rule: a rule of the specification, and of the code', ({ module, rule, code, fails }) => {
    expect(read('docs', 'spec', `${module}.tla`)).toContain(`"${rule}")`);
    expect(CONFIGURATIONS.replaceAll(/\s+/g, ' ')).toMatch(
      new RegExp(`without\\( ?'${module}', '${rule}', '${fails}'`),
    );
    expect(quoted(code)[0]).toMatch(/\.ts$/);
    expect(notThere(code)).toEqual([]);
  });

  it('name every rule and every configuration that is checked, and no other', () => {
    const checked = [...CONFIGURATIONS.matchAll(/without\(\s*'(\w+)',\s*'(\w+)'/g)].map(([, ...names]) =>
      names.join(' '),
    );
    expect(rules.map(({ module, rule }) => `${module} ${rule}`).sort()).toEqual(checked.sort());
    const base = [...CONFIGURATIONS.matchAll(/(?:configuration\(\s*'\w+',|explored\()\s*'(\w+)'/g)].map(
      ([, name]) => name,
    );
    const rows = tableUnder('The base').slice(1);
    expect(rows.map(([name = '']) => quoted(name)[0]).sort()).toEqual(base.sort());
  });
});
