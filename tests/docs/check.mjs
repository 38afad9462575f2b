// The API page in a real browser: node check.mjs URL CHROMIUM PICTURE. It sends `map` from the page, as a person
// would, and sees the values; nothing is asked of another host, and nothing breaks the page's policy.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, executablePath, picture] = process.argv.slice(2);
const args = [
  "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
  "--disable-default-apps", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
];
const browser = await chromium.launch({ executablePath, headless: true, args, timeout: 60_000 });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1400 } });
  const complaints = [];
  const elsewhere = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(url) && !asked.startsWith("data:") && !asked.startsWith("blob:")) elsewhere.push(asked);
  });
  page.setDefaultTimeout(60_000);

  await page.goto(`${url}/docs`);
  // What the functions say of themselves comes first.
  const first = page.locator(".opblock").first();
  await first.waitFor();
  assert.match(await first.getAttribute("id"), /^operations-functions-tasks_/);

  // What is far down is drawn once it comes into view.
  await page.locator(".operation-filter-input").fill("submit");
  const operation = page.locator("#operations-submit-map");
  await operation.locator(".opblock-summary-control").click();
  const body = operation.locator("textarea.body-param__text");
  assert.deepEqual(JSON.parse(await body.inputValue()), { function: "tasks.square", iterable: [1, 2, 3] });
  await operation.locator("button.execute").click();

  const answer = operation.locator(".responses-table.live-responses-table");
  await answer.waitFor();
  assert.equal((await answer.locator(".response-col_status").last().innerText()).trim(), "200");
  const text = await answer.locator(".response-col_description pre, .response-col_description code").first().innerText();
  assert.deepEqual(JSON.parse(text), [1, 4, 9]);
  await answer.scrollIntoViewIfNeeded();
  await page.screenshot({ path: picture });

  // A function with types of its own is on the page, too.
  await page.locator(".operation-filter-input").fill("functions");
  await page.locator("#operations-functions-tasks_square").waitFor();
  assert.deepEqual(elsewhere, [], "asked of another host");
  assert.deepEqual(complaints, [], "the page complains");
  console.log("the page sent map and shows", text.replace(/\s+/g, ""));
} finally {
  await browser.close();
}
