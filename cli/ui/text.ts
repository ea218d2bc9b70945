// eslint-disable-next-line no-control-regex -- these are what it is about
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;
// eslint-disable-next-line no-control-regex -- these are what it is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Text from outside on one line, unable to move the cursor or to change colours. */
export function plain(text: string): string {
  return text.replace(CONTROL, '·');
}

/** How many columns a text takes: colours take none. */
export function widthOf(text: string): number {
  return [...text.replace(ESCAPES, '')].length;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - widthOf(text))) + text;
}

/** Cut to a width, with an ellipsis where something is missing. Colours are given up where it has to cut. */
export function fit(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const characters = [...text.replace(ESCAPES, '')];
  return `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** `12,345` */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 case`, `12,345 cases` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `84 ms`, `3.2 s`, `2 min 5 s` */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
