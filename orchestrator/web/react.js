/** Hands on React's view of a run, `client/react.js`, at the address that pages and programs import it from. */

export * from './client/react.js';
