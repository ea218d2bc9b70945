import { createApp, serve } from '../http/index.js';
import { type EmbeddedLockstep, type EmbeddedOptions, openEmbedded } from './engine.js';

export interface ServeEmbeddedOptions extends EmbeddedOptions {
  /** Of 127.0.0.1; 0 picks a free one. */
  readonly port: number;
}

export interface EmbeddedServer {
  readonly url: string;
  readonly engine: EmbeddedLockstep;
  /** Ends the server first, then the engine: nothing acknowledged is under way any more. */
  close(): Promise<void>;
}

/** @throws ListenError the port is in use @throws DataDirectoryInUse */
export async function serveEmbedded(options: ServeEmbeddedOptions): Promise<EmbeddedServer> {
  // The endpoints name the port, which is known only once the server listens.
  let url = '';
  const engine = await openEmbedded({ endpointOf: (site) => `${url}/sites/${site}`, ...options });
  try {
    const app = createApp({
      service: engine.service,
      siteServices: engine.siteServices,
      controls: engine.controls,
      ...(options.observer ? { observer: options.observer } : {}),
    });
    const server = await serve({ app, port: options.port });
    url = server.url;
    return {
      url,
      engine,
      close: async () => {
        await server.close();
        await engine.close();
      },
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}
