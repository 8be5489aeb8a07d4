/** Computes what one attempt has said beyond text: progress, data, sources, files and the structured answer. */
export type Content = import('../types.js').Content;
export type RunEvent = import('../types.js').RunEvent;
/** @type {Content} */
export declare const NO_CONTENT: Content;
/**
 * Take one event in; a type that is of no concern here returns the same content.
 * @param {Content} content
 * @param {RunEvent} event
 * @returns {Content}
 */
export declare function reduceContent(content: Content, { type, data }: RunEvent): Content;
/**
 * Make it of an agent's snapshot.
 * @param {Partial<Content>} sent
 * @returns {Content}
 */
export declare function contentOf({ progress, data, sources, files, ...rest }: Partial<Content>): Content;
