/** Hands on the client, `client/client.js`, at the address that pages and programs import it from. */

export * from './client/client.js';
