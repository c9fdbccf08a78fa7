// Boxes on the page of reviews: drawn, moved, resized and deleted with mouse, touch and keyboard; and zoom.
// Without this script everything else on the page works. It sends nothing itself: the form has a field `boxes`.
"use strict";

(() => {
  const form = document.getElementById("review");
  const sheet = document.querySelector(".sheet");
  const svg = sheet.querySelector("svg");
  const byId = (id) => document.getElementById(id);
  const [select, remove, draw, told, confirm] = ["label-of-box", "remove", "draw", "told", "confirm"].map(byId);
  const width = Number(form.dataset.width);
  const height = Number(form.dataset.height);
  const shown = JSON.parse(form.dataset.boxes);
  const image = sheet.querySelector("img");
  const keep = byId("keep");
  const ticks = [...form.elements].filter((field) => field.name === "keep");
  const MOST = 50;
  const LEAST = 2;
  let boxes = [];
  let chosen = -1;
  let zoom = 1;
  let gesture = null;

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const round = (value) => Math.round(value * 100) / 100;

  function set(made, attributes) {
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  }

  function element(name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    set(made, attributes);
    return made;
  }

  // Where a pointer is, in pixels of the picture.
  function place(event) {
    const frame = svg.getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * width;
    const y = ((event.clientY - frame.top) / frame.height) * height;
    return { x: clamp(x, 0, width), y: clamp(y, 0, height) };
  }

  // A thumb is some 40 pixels wide on any screen.
  function handleSize() {
    return (28 / svg.getBoundingClientRect().width) * width;
  }

  function within(box) {
    box.width = clamp(box.width, LEAST, width);
    box.height = clamp(box.height, LEAST, height);
    box.left = clamp(box.left, 0, width - box.width);
    box.top = clamp(box.top, 0, height - box.height);
  }

  function say(text) {
    told.textContent = text;
  }

  function describe(box, index) {
    const numbers = [box.left, box.top, box.width, box.height].map(Math.round);
    return `Box ${index + 1} of ${boxes.length}: ${box.label}, ${numbers[2]} by ${numbers[3]} at ${numbers[0]}, ${numbers[1]}`;
  }

  function made() {
    const group = element("g", { tabindex: 0, role: "button" });
    group.append(...["shade", "line", "handle"].map((name) => element("rect", { class: name })));
    return group;
  }

  // Elements stay what they are while a finger is on them: a browser scrolls where one that is touched goes away.
  function show(focus = false) {
    while (svg.children.length > boxes.length) {
      svg.lastChild.remove();
    }
    while (svg.children.length < boxes.length) {
      svg.append(made());
    }
    const size = handleSize();
    boxes.forEach((box, index) => {
      const group = svg.children[index];
      const [shade, line, handle] = group.children;
      const frame = { x: box.left, y: box.top, width: box.width, height: box.height };
      set(group, { "aria-label": describe(box, index), "aria-pressed": String(index === chosen), "data-index": index });
      group.classList.toggle("chosen", index === chosen);
      set(shade, frame);
      set(line, frame);
      set(handle, { x: box.left + box.width - size / 2, y: box.top + box.height - size / 2, width: size, height: size });
    });
    remove.disabled = chosen < 0;
    if (focus && chosen >= 0) {
      svg.children[chosen].focus({ preventScroll: true });
    }
  }

  // As long as nothing was drawn, the ticks say which of the boxes count.
  function tick() {
    boxes = shown.filter((_, place) => ticks[place].checked);
    choose(-1);
  }

  // From the first change on, what counts are these boxes, and no longer the ticks beside the found ones.
  function changed() {
    form.elements.boxes.value = JSON.stringify(boxes.map((box) => ({ ...box, left: round(box.left), top: round(box.top), width: round(box.width), height: round(box.height) })));
    if (keep) {
      keep.hidden = true;
      keep.disabled = true;
    }
    confirm.hidden = boxes.length === 0;
    confirm.textContent = `Keep ${boxes.length === 1 ? "this box" : `these ${boxes.length} boxes`}: ${[...new Set(boxes.map((box) => box.label))].join(", ")}`;
  }

  function choose(index, focus = false) {
    chosen = index;
    if (index >= 0) {
      const { label } = boxes[index];
      if (![...select.options].some((option) => option.value === label)) {
        select.add(new Option(label, label));
      }
      select.value = label;
      say(describe(boxes[index], index));
    }
    show(focus);
  }

  function add(box) {
    if (boxes.length >= MOST) {
      say(`A picture may have ${MOST} boxes.`);
      return false;
    }
    if (!select.value) {
      say("There is no label yet: write a new one and use that.");
      return false;
    }
    boxes.push({ label: select.value, ...box });
    within(boxes.at(-1));
    return true;
  }

  function take(index) {
    if (index < 0) {
      return;
    }
    boxes.splice(index, 1);
    changed();
    choose(Math.min(index, boxes.length - 1), true);
    say(`Deleted. ${boxes.length} left.`);
    if (!boxes.length) {
      byId("add").focus();
    }
  }

  function setDrawing(draws) {
    sheet.classList.toggle("draws", draws);
    draw.setAttribute("aria-pressed", String(draws));
  }

  function setZoom(value) {
    zoom = clamp(value, 1, 8);
    sheet.style.inlineSize = `${zoom * 100}%`;
    // The page begins with a small copy; whoever looks closer gets every pixel.
    if (zoom > 1 && image.src !== image.dataset.full) {
      image.src = image.dataset.full;
    }
    say(`${Math.round(zoom * 100)} %`);
    show();
  }

  svg.addEventListener("pointerdown", (event) => {
    const group = event.target.closest("g");
    if (!group && !sheet.classList.contains("draws")) {
      choose(-1);
      return;
    }
    event.preventDefault();
    const from = place(event);
    if (group) {
      const index = Number(group.dataset.index);
      const kind = event.target.classList.contains("handle") ? "resize" : "move";
      gesture = { kind, from, before: { ...boxes[index] } };
      choose(index, true);
    } else if (add({ left: from.x, top: from.y, width: LEAST, height: LEAST })) {
      gesture = { kind: "draw", from };
      choose(boxes.length - 1);
    } else {
      return;
    }
    svg.setPointerCapture(event.pointerId);
  });

  function follow(event) {
    if (!gesture || chosen < 0) {
      return;
    }
    const { x, y } = place(event);
    const { kind, from, before } = gesture;
    const box = boxes[chosen];
    if (kind === "draw") {
      Object.assign(box, { left: Math.min(from.x, x), top: Math.min(from.y, y), width: Math.abs(x - from.x), height: Math.abs(y - from.y) });
    } else if (kind === "move") {
      Object.assign(box, { left: before.left + x - from.x, top: before.top + y - from.y });
    } else {
      Object.assign(box, { width: Math.min(before.width + x - from.x, width - box.left), height: Math.min(before.height + y - from.y, height - box.top) });
    }
    within(box);
    show();
  }
  svg.addEventListener("pointermove", follow);
  // A finger on a box moves the box, and not the page.
  svg.addEventListener("touchstart", (event) => gesture && event.preventDefault(), { passive: false });

  function end(event) {
    if (!gesture) {
      return;
    }
    // The last step of a finger may come with its end only.
    if (event.type === "pointerup") {
      follow(event);
    }
    const { kind, from, before } = gesture;
    gesture = null;
    const box = boxes[chosen];
    // A tap draws nothing, and leaves a box where it is.
    const isSmall = kind === "draw" && (box.width <= LEAST || box.height <= LEAST);
    if (isSmall || (event.type === "pointercancel" && kind === "draw")) {
      boxes.splice(chosen, 1);
      choose(-1);
      return;
    }
    const moved = place(event);
    if (kind === "draw" || moved.x !== from.x || moved.y !== from.y || before.width !== box.width) {
      changed();
    }
    setDrawing(false);
    choose(chosen, true);
  }
  svg.addEventListener("pointerup", end);
  svg.addEventListener("pointercancel", end);

  svg.addEventListener("focusin", (event) => {
    const index = Number(event.target.dataset.index);
    if (index !== chosen && !gesture) {
      choose(index, true);
    }
  });

  svg.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (chosen < 0) {
      return;
    }
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      take(chosen);
    } else if (event.key in steps) {
      event.preventDefault();
      const pace = Math.max(Math.round((event.ctrlKey ? 0.05 : 0.01) * Math.max(width, height)), 1);
      const [across, down] = steps[event.key].map((step) => step * pace);
      const box = boxes[chosen];
      if (event.shiftKey) {
        box.width = Math.min(box.width + across, width - box.left);
        box.height = Math.min(box.height + down, height - box.top);
      } else {
        box.left += across;
        box.top += down;
      }
      within(box);
      changed();
      say(describe(box, chosen));
      show(true);
    }
  });

  draw.addEventListener("click", () => {
    setDrawing(!sheet.classList.contains("draws"));
    say(sheet.classList.contains("draws") ? "Drag over the picture." : "");
  });
  byId("add").addEventListener("click", () => {
    if (add({ left: width * 0.375, top: height * 0.375, width: width / 4, height: height / 4 })) {
      changed();
      choose(boxes.length - 1, true);
    }
  });
  remove.addEventListener("click", () => take(chosen));
  select.addEventListener("change", () => {
    if (chosen >= 0) {
      boxes[chosen].label = select.value;
      changed();
      show();
    }
  });
  byId("closer").addEventListener("click", () => setZoom(zoom * 1.5));
  byId("wider").addEventListener("click", () => setZoom(zoom / 1.5));
  window.addEventListener("resize", () => show());
  svg.replaceChildren();
  ticks.forEach((field) => field.addEventListener("change", tick));
  tick();
  // Most boxes have the label of those that are there.
  if ([...select.options].some((option) => option.value === boxes[0]?.label)) {
    select.value = boxes[0].label;
  }
  byId("tools").hidden = false;
  byId("help").hidden = false;
  show();
})();
