// Runs the programs of this folder, one after the other, in one process: their clients are loaded once.
// A line of stdin is {"program": "chat.mjs", "given": […]}; a line of stdout {"told": …} or {"failed": …}.

import { createInterface } from "node:readline";

console.log = console.info = console.error; // a client's own words may not stand among the answers

// As in a page: what a client forgot to catch is told, and ends nothing.
process.on("unhandledRejection", (error) => console.error(error));

for await (const line of createInterface({ input: process.stdin })) {
  const { program, given } = JSON.parse(line);
  let answer;
  try {
    const { default: run } = await import(`./${program}`);
    answer = { told: await run(...given) };
  } catch (error) {
    answer = { failed: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
