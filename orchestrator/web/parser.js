/** Hands on the parser, `client/wire/parser.js`, at the address that pages and programs import it from. */

export * from './client/wire/parser.js';
