type Make<T> = (type: any, props: any, ...children: any[]) => T;
declare const htm: { bind<T>(make: Make<T>): (strings: TemplateStringsArray, ...values: any[]) => T | T[] };
export default htm;
