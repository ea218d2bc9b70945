/** The REST API: one app for the local server and for Lambda. */
export { createApp } from './app.js';
export { serve } from './server.js';
