declare const temml: { render(tex: string, box: Element, options: object): void };
export default temml;
