/** The switches of the local server, as routes. Only where it offers them; never under a site. */
import type { LocalControls } from '../core/api.js';
import { ok, routesOf } from './route.js';
import type { Route } from './route.js';
import { faultsBody, networkBody } from './schemas.js';

const local = routesOf<LocalControls>();

export const LOCAL_ROUTES: readonly Route<LocalControls>[] = [
  local({
    method: 'GET',
    path: '/local/faults',
    operation: 'getFaults',
    summary: 'The fault board',
    answers: { 200: faultsBody },
    run: async (controls) => ok({ faults: controls.getFaults() }),
  }),
  local({
    method: 'PUT',
    path: '/local/faults',
    operation: 'setFaults',
    summary: 'Sets the whole fault board; an empty list: all well',
    body: faultsBody,
    answers: { 200: faultsBody },
    run: async (controls, { body }) => ok({ faults: controls.setFaults(body.faults) }),
  }),
  local({
    method: 'PUT',
    path: '/local/network',
    operation: 'setNetwork',
    summary: 'Sets the distance between the sites',
    body: networkBody,
    answers: { 200: networkBody },
    run: async (controls, { body }) => {
      controls.setNetwork(body);
      return ok(body);
    },
  }),
];
