/** One command as it was sent. */
export interface SentCall {
  /** As the SDK names it, e.g. `TransactWriteItems`. */
  readonly command: string;
  readonly input: unknown;
}

/** What every client of the SDK has, as far as it matters here. */
export interface HasMiddleware {
  readonly middlewareStack: {
    add(middleware: Middleware, options: { readonly step: 'initialize'; readonly name: string }): void;
  };
}

type Next = (args: { input: object }) => Promise<{ output: object; response: unknown }>;
export type Middleware = (next: Next, context: { readonly commandName?: string }) => Next;

/** Tells every command that this client sends, each attempt: what a deployment pays for. */
export function countCalls(client: HasMiddleware, tell: (call: SentCall) => void): void {
  const middleware: Middleware = (next, { commandName }) => {
    const command = commandName?.replace(/Command$/, '') ?? '';
    return (args) => {
      tell({ command, input: args.input });
      return next(args);
    };
  };
  client.middlewareStack.add(middleware, { step: 'initialize', name: 'lockstepCountCalls' });
}
