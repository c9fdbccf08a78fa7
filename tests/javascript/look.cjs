// A browser that looks at a page as people do: node look.cjs < request.json, which prints what it saw as JSON.
//
// Request: {url, browser, widths, themes, pictures: folder or null, form: {approver, confirmation, comment, decision} or
// null}. At every width and in both themes the page is checked with axe-core; then the form is filled in by keyboard.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const axe = require("axe-core");
const puppeteer = require("puppeteer-core");

const HEIGHT = 900;

async function launch(browser) {
  if (browser) {
    return puppeteer.launch({ executablePath: browser, args: ["--no-sandbox"], headless: true });
  }
  const { default: chromium } = require("@sparticuz/chromium");
  return puppeteer.launch({ executablePath: await chromium.executablePath(), args: chromium.args, headless: "shell" });
}

async function dress(page, width, theme) {
  await page.setViewport({ width, height: HEIGHT });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
}

// Words that lie on other words, and what is cut off where nobody can scroll to it; runs in the page.
function crowding() {
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowX);
  const within = (rect, room) => rect.left < room.right && rect.right > room.left && rect.top < room.bottom && rect.bottom > room.top;
  // Some words are there for those who listen only, in a box of one pixel.
  const isForEyes = (element) => element.clientWidth !== 1 || element.clientHeight !== 1;
  const isShown = (node, rect) => {
    for (let around = node.parentElement; around; around = around.parentElement) {
      if (!isForEyes(around) || (scrolls(around) && !within(rect, around.getBoundingClientRect()))) {
        return false;
      }
    }
    return rect.width > 0 && rect.height > 0;
  };
  const words = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const range = document.createRange();
    range.selectNodeContents(node);
    if (node.data.trim() && getComputedStyle(node.parentElement).visibility === "visible") {
      const lines = [...range.getClientRects()].filter((rect) => isShown(node, rect));
      words.push(...lines.map((rect) => ({ node, rect, text: node.data.trim().slice(0, 30) })));
    }
  }
  // Lines of one paragraph touch: letters have room above and below.
  const common = (one, other) => [
    Math.min(one.right, other.right) - Math.max(one.left, other.left),
    Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top),
  ];
  const clash = (one, other) => {
    const [across, down] = common(one.rect, other.rect);
    return across > 1 && down > Math.min(one.rect.height, other.rect.height) / 3;
  };
  const found = words.flatMap((one, place) =>
    words.slice(place + 1).filter((other) => clash(one, other)).map((other) => `"${one.text}" lies on "${other.text}"`),
  );
  for (const element of document.querySelectorAll("body *:not(input, textarea, select, option)")) {
    const { overflowX, overflowY } = getComputedStyle(element);
    const hidesX = /hidden|clip/.test(overflowX) && element.scrollWidth > element.clientWidth + 1;
    const hidesY = /hidden|clip/.test(overflowY) && element.scrollHeight > element.clientHeight + 1;
    if (!(element instanceof SVGElement) && isForEyes(element) && (hidesX || hidesY)) {
      found.push(`<${element.localName}> is cut off: ${element.textContent.trim().slice(0, 30)}`);
    }
  }
  for (const part of document.querySelectorAll("svg text, svg circle, svg rect, svg path")) {
    const [own, room] = [part.getBoundingClientRect(), part.ownerSVGElement.getBoundingClientRect()];
    const isCut = own.left < room.left - 1 || own.right > room.right + 1 || own.top < room.top - 1 || own.bottom > room.bottom + 1;
    if (isCut && getComputedStyle(part.ownerSVGElement).overflowX !== "visible") {
      found.push(`<${part.localName}> of a drawing is cut off: ${part.textContent}`);
    }
  }
  return found.slice(0, 9);
}

// What sticks out, and pictures that do not load: told at once, so that it can be asked of a page without scripts, too.
async function shape(page) {
  return page.evaluate(() => ({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    broken: [...document.images].filter((image) => !image.naturalWidth).map((image) => image.alt),
    images: document.images.length,
  }));
}

async function check(page, width, theme, pictures) {
  await dress(page, width, theme);
  await page.evaluate(async () => {
    for (const image of document.images) {
      image.loading = "eager";
      await image.decode().catch(() => null);
    }
  });
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run());
  const shown = { ...(await shape(page)), crowded: await page.evaluate(crowding) };
  if (pictures) {
    await page.screenshot({ path: join(pictures, `${width}-${theme}.png`), fullPage: true });
  }
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).slice(0, 3).join(" ")}`);
  return { width, theme, violations: found, ...shown };
}

async function tabTo(page, isThere, what) {
  for (let presses = 0; presses < 100; presses += 1) {
    await page.keyboard.press("Tab");
    const { name, value } = await page.evaluate(() => ({ name: document.activeElement.name, value: document.activeElement.value }));
    if (isThere(name, value)) {
      return;
    }
  }
  throw new Error(`the keyboard does not reach ${what}`);
}

async function decide(page, { decision, ...fields }) {
  for (const [name, text] of Object.entries(fields)) {
    await tabTo(page, (focused) => focused === name, name);
    await page.keyboard.type(text);
  }
  await tabTo(page, (focused, value) => focused === "decision" && value === decision, decision);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  return page.evaluate(() => ({
    heading: document.querySelector("h1").textContent,
    problem: document.querySelector("[role=alert]")?.textContent ?? "",
  }));
}

async function main() {
  const request = JSON.parse(readFileSync(0, "utf-8"));
  const browser = await launch(request.browser);
  try {
    const page = await browser.newPage();
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(request.url, { waitUntil: "load" });
    // A page that looks again by itself must not go away while it is looked at.
    let isHeld = true;
    await page.setRequestInterception(true);
    page.on("request", (asked) => (isHeld && asked.isNavigationRequest() ? asked.abort("aborted") : asked.continue()));
    const looks = [];
    for (const width of request.widths) {
      for (const theme of request.themes) {
        looks.push(await check(page, width, theme, request.pictures));
      }
    }
    isHeld = false;
    const answer = request.form ? await decide(page, request.form) : {};
    console.log(JSON.stringify({ looks, complaints, ...answer }));
  } finally {
    await browser.close();
  }
}

module.exports = { check, dress, launch, shape, tabTo };

if (require.main === module) {
  main().catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
