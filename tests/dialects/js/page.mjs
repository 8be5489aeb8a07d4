// Draws the AI SDK's example in a document without a browser, asks, stops one agent, and returns what its columns show.

import { mkdir, readFile, writeFile } from "node:fs/promises";

import { Window } from "happy-dom";
import { transform } from "sucrase";

/** `stop` is the title of who is stopped once it has said `when`; `until` the statuses with which the page is over. */
export default async function run(url, source, stop, when) {
  const window = new Window({ url });
  const { document } = window;
  Object.assign(globalThis, { window, document, FormData: window.FormData, IS_REACT_ACT_ENVIRONMENT: false });
  const made = transform(await readFile(source, "utf8"), {
    transforms: ["jsx"],
    jsxRuntime: "automatic",
    production: true,
  });
  await mkdir("node_modules/.example", { recursive: true }); // there its imports are found, as in its own folder
  const place = `node_modules/.example/App-${process.pid}.mjs`;
  await writeFile(place, made.code);
  const { App } = await import(`./${place}`);
  const { createRoot } = await import("react-dom/client");
  const { createElement } = await import("react");

  const root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(createElement(App, { server: url }));
  const columns = () =>
    Object.fromEntries(
      [...document.querySelectorAll("section")].map((column) => [
        column.getAttribute("aria-label"),
        { status: column.querySelector("p").textContent, text: column.querySelector("pre").textContent },
      ]),
    );
  const until = async (holds) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  await until(() => document.querySelector("form"));
  document.querySelector("form").dispatchEvent(new window.Event("submit", { bubbles: true, cancelable: true }));
  await until(() => columns()[stop]?.text.includes(when));
  document.querySelector(`section[aria-label="${stop}"] button`).click();
  await until(() => Object.values(columns()).every(({ status }) => !/queued|running/.test(status)));
  await until(() => !document.querySelector("form button").disabled);
  return columns();
}
