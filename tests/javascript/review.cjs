// The page of reviews as people use it: node review.cjs < request.json, which prints what it saw as JSON.
//
// Request: {url, browser, widths, themes, pictures: folder or null, gesture: "mouse", "touch", "keyboard" or "none",
// steps, others}. With the gesture "none" the browser has no JavaScript. The steps of a visit, one after the other:
// {draw: true} draws, moves and resizes a box and deletes the found one; {label} gives the chosen box a label;
// {untick} takes the tick from a found box; {zoom: true} looks closer; {write} is typed into the field of the new label;
// {press} is the answer whose button is pressed by the gesture. `others` are links that somebody else opens meanwhile.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { check, dress, launch, shape, tabTo } = require("./look.cjs");

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

// A button is one that a person sees and reaches.
async function press(page, gesture, answer) {
  const selector = `button[name="answer"][value=${JSON.stringify(answer)}]:not([hidden])`;
  const isThere = (name, value) => name === "answer" && value === answer;
  const ways = {
    keyboard: async () => {
      await tabTo(page, isThere, answer);
      await page.keyboard.press("Enter");
    },
    touch: () => page.tap(selector),
  };
  await Promise.all([page.waitForNavigation(), (ways[gesture] ?? (() => page.click(selector)))()]);
}

const STEPS = {
  draw: (page, gesture) => GESTURES[gesture](page),
  label: (page, _, label) => page.select("#label-of-box", label),
  untick: (page, _, place) => page.click(`[name="keep"][value="${place}"]`),
  write: (page, _, text) => page.type("#new-label", text),
  press,
  async zoom(page) {
    await page.click("#closer");
    await page.waitForFunction(() => document.querySelector(".sheet img").complete);
  },
};

async function seen(page) {
  return page.evaluate(() => {
    const text = (selector) => document.querySelector(selector)?.textContent.trim() ?? "";
    const form = document.getElementById("review");
    return {
      heading: text("h1"),
      notice: text("[role=status]"),
      problem: text("[role=alert]"),
      confirm: text("#confirm:not([hidden])"),
      boxes: form?.elements.boxes.value ?? "",
      ticks: [...document.querySelectorAll('[name="keep"]')].map((field) => field.checked),
      drawn: document.querySelectorAll(".sheet svg g").length,
      options: [...document.querySelectorAll("#label-of-box option")].map((option) => option.textContent),
      toolsShown: Boolean(document.querySelector("#tools:not([hidden])")),
      zoomed: form ? document.querySelector(".sheet").clientWidth / document.querySelector(".frame").clientWidth : 1,
    };
  });
}

async function open(browser, request, complaints) {
  const page = await browser.newPage();
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.setJavaScriptEnabled(request.gesture !== "none");
  const telephone = { width: 390, height: 900, hasTouch: true, isMobile: true };
  await page.setViewport(request.gesture === "touch" ? telephone : { width: 1280, height: 900 });
  return page;
}

async function begin(page, url, name) {
  await page.goto(url, { waitUntil: "load" });
  if (await page.$("[name=reviewer]")) {
    await page.type("[name=reviewer]", name);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  }
  return seen(page);
}

async function main() {
  const request = JSON.parse(readFileSync(0, "utf-8"));
  const browser = await launch(request.browser);
  try {
    const complaints = [];
    const page = await open(browser, request, complaints);
    const looks = [];
    const lookAt = async (name) => {
      for (const width of request.widths) {
        for (const theme of request.themes) {
          const given = { name, width, theme };
          if (request.gesture === "none") {
            // axe-core is a script that waits; what a page looks like can be asked without.
            await dress(page, width, theme);
            looks.push({ ...given, violations: [], ...(await shape(page)) });
          } else {
            looks.push({ ...given, ...(await check(page, width, theme, null)) });
          }
          if (request.pictures) {
            await page.screenshot({ path: join(request.pictures, `${name}-${width}-${theme}.png`), fullPage: true });
          }
        }
      }
    };
    await page.goto(request.url, { waitUntil: "load" });
    await lookAt("begin");
    const trace = [await begin(page, request.url, "Ann")];
    const others = [];
    for (const url of request.others ?? []) {
      others.push(await begin(await open(browser, request, []), url, "Ben"));
    }
    for (const step of request.steps) {
      const [[name, value]] = Object.entries(step);
      await STEPS[name](page, request.gesture, value);
      if (name === "draw") {
        await lookAt("review");
      }
      trace.push(await seen(page));
    }
    await lookAt("after");
    console.log(JSON.stringify({ looks, complaints, trace, others }));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
