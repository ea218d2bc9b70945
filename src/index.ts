/** Lockstep: the client and the shapes of the REST contract. The embedded engine is at `lockstep-streams/embedded`. */
export * from './client/index.js';
