// The page of reviews as people use it: node review.cjs < request.json, which prints what it saw as JSON.
//
// Request: {url, browser, widths, themes, pictures: folder or null, gesture: "mouse", "touch", "keyboard" or "none",
// answer: value of the button to press}. With the gesture "none" the browser has no JavaScript.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { check, launch } = require("./look.cjs");

async function middleOf(page, selector) {
  const { x, y, width, height } = await (await page.$(selector)).boundingBox();
  return { x, y, width, height, at: (across, down) => [x + across * width, y + down * height] };
}

const GESTURES = {
  async mouse(page) {
    await page.click("#draw");
    const picture = await middleOf(page, ".sheet svg");
    await page.mouse.move(...picture.at(0.5, 0.5));
    await page.mouse.down();
    await page.mouse.move(...picture.at(0.6, 0.6), { steps: 4 });
    await page.mouse.move(...picture.at(0.75, 0.75), { steps: 4 });
    await page.mouse.up();
    // Moved by a tenth of the picture, then made smaller by its corner.
    await page.mouse.move(...picture.at(0.6, 0.6));
    await page.mouse.down();
    await page.mouse.move(...picture.at(0.7, 0.7), { steps: 4 });
    await page.mouse.up();
    await page.mouse.move(...picture.at(0.848, 0.848));
    await page.mouse.down();
    await page.mouse.move(...picture.at(0.748, 0.748), { steps: 4 });
    await page.mouse.up();
    // The box that the models found goes.
    await page.mouse.click(...picture.at(0.2, 0.2));
    await page.click("#remove");
  },
  async touch(page) {
    await page.tap("#draw");
    const picture = await middleOf(page, ".sheet svg");
    const drag = async (from, to) => {
      const finger = await page.touchscreen.touchStart(...picture.at(...from));
      for (const step of [0.25, 0.5, 0.75, 1]) {
        await finger.move(...picture.at(from[0] + (to[0] - from[0]) * step, from[1] + (to[1] - from[1]) * step));
      }
      await finger.end();
    };
    await drag([0.5, 0.5], [0.75, 0.75]);
    await drag([0.6, 0.6], [0.7, 0.7]);
    await drag([0.84, 0.84], [0.74, 0.74]);
    await page.touchscreen.tap(...picture.at(0.2, 0.2));
    await page.tap("#remove");
  },
  async keyboard(page) {
    const press = async (key, times = 1) => {
      for (let time = 0; time < times; time += 1) {
        await page.keyboard.press(key);
      }
    };
    // The found box is the first that Tab reaches; Delete takes it.
    await page.focus(".frame");
    await press("Tab");
    await press("Delete");
    await page.focus("#add");
    await press("Enter");
    await press("ArrowRight", 10);
    await press("ArrowDown", 10);
    await page.keyboard.down("Shift");
    await press("ArrowLeft", 5);
    await page.keyboard.up("Shift");
  },
  async none() {},
};

async function main() {
  const request = JSON.parse(readFileSync(0, "utf-8"));
  const browser = await launch(request.browser);
  try {
    const page = await browser.newPage();
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    if (request.gesture === "none") {
      await page.setJavaScriptEnabled(false);
    }
    if (request.gesture === "touch") {
      await page.setViewport({ width: 390, height: 900, hasTouch: true, isMobile: true });
    }
    await page.goto(request.url, { waitUntil: "load" });
    const looks = [];
    const lookAt = async (name) => {
      for (const width of request.widths) {
        for (const theme of request.themes) {
          if (request.gesture === "none") {
            // Nothing can be asked of a page without JavaScript.
            continue;
          }
          const look = await check(page, width, theme, null);
          if (request.pictures) {
            await page.screenshot({ path: join(request.pictures, `${name}-${width}-${theme}.png`), fullPage: true });
          }
          looks.push({ name, ...look });
        }
      }
    };
    await lookAt("begin");
    await page.type("[name=reviewer]", "Ann");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    const toolsShown = await page.$eval("#tools", (tools) => !tools.hidden);
    await GESTURES[request.gesture](page);
    const boxes = await page.$eval("[name=boxes]", (field) => field.value);
    await lookAt("review");
    let zoomed = 1;
    if (toolsShown) {
      await page.click("#closer");
      zoomed = await page.evaluate(() => document.querySelector(".sheet").clientWidth / document.querySelector(".frame").clientWidth);
    }
    await Promise.all([page.waitForNavigation(), page.$eval(`[value="${request.answer}"]:not([hidden])`, (button) => button.click())]);
    const heading = await page.$eval("h1", (h1) => h1.textContent);
    await lookAt("after");
    console.log(JSON.stringify({ looks, complaints, boxes, heading, toolsShown, zoomed }));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
