/** The REST API: one app for the local server and for Lambda. */
export { createApp } from './app.js';
export type { App, AppOptions } from './app.js';
export { checkedService } from './checked.js';
export { openApiDocument } from './openapi.js';
export type { ApiInfo, OpenApiOptions } from './openapi.js';
export { HOST, ListenError, serve } from './server.js';
export type { RunningServer, ServeOptions } from './server.js';
