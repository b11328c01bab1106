// Drives Chromium for the tests of the browser demo: one JSON command per line on stdin, one JSON answer per line on stdout.
//
//     node browser.mjs WEB_DEMO CHROMIUM [FLAG...]
//
// {"call": name, "with": [arguments]} -> {"value": ...} or {"error": "..."}. The page's console is kept for "console".
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [folder, executablePath, ...flags] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/package.json`)('playwright-core');
const FLAGS = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
];
const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
let page = null;
let messages = [];

const calls = {
  /** A fresh page, with a cold cache, in a window of this size; `script` runs in it before anything else. */
  async open(url, { width = 1280, height = 1000, dark = false, script = '' } = {}) {
    await page?.context().close();
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', acceptDownloads: true });
    await context.addInitScript(script);
    page = await context.newPage();
    messages = [];
    page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => messages.push(`pageerror: ${error.message}`));
    await page.goto(url);
  },
  evaluate: (script) => page.evaluate(script),
  wait: (condition, timeout = 60_000) => page.waitForFunction(condition, null, { timeout }).then(() => null),
  text: (selector) => page.locator(selector).innerText(),
  visible: (selector) => page.locator(selector).isVisible(),
  choose: (selector, value) => page.locator(selector).selectOption(value).then(() => null),
  click: (selector) => page.locator(selector).click(),
  press: (key) => page.keyboard.press(key),
  upload: (selector, path) => page.locator(selector).setInputFiles(path),
  screenshot: (path, fullPage = true) => page.screenshot({ path, fullPage }).then(() => null),
  async download(selector, path) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator(selector).click()]);
    await download.saveAs(path);
    return download.suggestedFilename();
  },
  console: () => messages,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { call, with: values = [] } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await calls[call](...values)) ?? null };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
