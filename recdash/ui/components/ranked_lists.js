// Ranked lists side by side (arrows beyond the width, tabs and swipe on a phone), or one merged column.

const states = new WeakMap();
const SLIDE = 220; // milliseconds in which rows move to their new place

const bar = (item) => {
  const fill = make("span", { class: "fill" });
  fill.style.width = `${Math.round(100 * Math.min(1, Math.max(0.02, item.bar)))}%`;
  return make("span", { class: "bar", title: item.scoreTip }, make("span", { class: "track" }, fill), make("span", { class: "score" }, item.score));
};

const markButtons = (state, item) => {
  const { component } = state;
  const liked = item.mark !== "" && item.mark !== "dislike";
  const disliked = item.mark === "dislike";
  const toggle = (kind, on) => sendAction(component, on ? "remove" : kind, { id: item.id, source: "list" });
  return make("span", { class: "buttons" },
    iconButton(liked ? "check" : "add", `${liked ? "Remove from" : "Add to"} picks: ${item.title}`, () => toggle("like", liked),
      { class: `icon-button ${liked ? "on" : ""}`, "aria-pressed": String(liked), "data-focus": `like-${item.id}` }),
    iconButton("dislike", `Not for me: ${item.title}`, () => toggle("dislike", disliked),
      { class: `icon-button ${disliked ? "on" : ""}`, "aria-pressed": String(disliked), "data-focus": `dislike-${item.id}` }));
};

const row = (state, item, listKey) => {
  const open = () => sendAction(state.component, "details", { id: item.id });
  const facts = [item.year, item.genres].filter(Boolean).join(" · ");
  return make("li", { class: `item ${item.mark ? "picked" : ""} ${item.highlight ? "highlight" : ""}`, "data-id": item.id },
    make("span", { class: "rank" }, String(item.rank)),
    picture(item.tile),
    make("span", { class: "text" },
      make("button", { type: "button", class: "name", title: "Details", "data-focus": `name-${listKey}-${item.id}`, onclick: open }, item.title),
      make("span", { class: "facts muted" }, facts, item.hit ? make("span", { class: "hit", title: "A held-out item of this test user" }, "hit") : null,
        ),
      item.change ? make("span", { class: "change" }, item.change) : null,
      item.because ? make("span", { class: "because", title: item.because }, item.because) : null,
      item.dots ? make("span", { class: "dots" }, ...item.dots.map((dot) => {
        const node = make("span", { class: "dot", title: dot.title }, dot.rank);
        node.style.setProperty("--dot", `light-dark(${dot.colour[0]}, ${dot.colour[1]})`);
        node.style.setProperty("--ink", `light-dark(${inkOn(dot.colour[0])}, ${inkOn(dot.colour[1])})`);
        if (!dot.rank) node.classList.add("none");
        return node;
      })) : bar(item)),
    markButtons(state, item));
};

const epochSlider = (state, list) => {
  const { epochs, epoch } = list.slider;
  const at = () => Math.max(0, epochs.indexOf(state.epoch.get(list.key) ?? epoch));
  const output = make("output", {}, epochText(list, epochs[at()]));
  const input = make("input", {
    type: "range", min: 0, max: epochs.length - 1, step: 1, value: at(), "aria-label": `Epoch of ${list.title}`,
    "aria-valuetext": epochText(list, epochs[at()]), "data-focus": `slider-${list.key}`,
  });
  const now = () => state.component.data.lists.find((one) => one.key === list.key) ?? list; // data may arrive while dragging
  const show = (final) => {
    const chosen = epochs[Number(input.value)];
    output.textContent = epochText(list, chosen);
    input.setAttribute("aria-valuetext", output.textContent);
    state.epoch.set(list.key, chosen);
    if (now().slider?.lists) redrawItems(state, now());
    if (final) sendAction(state.component, "epoch", { list: list.key, epoch: chosen === epochs.at(-1) ? null : chosen });
  };
  input.addEventListener("input", () => show(false));
  input.addEventListener("change", () => { stopDragging(state); show(true); });
  input.addEventListener("pointerdown", () => {
    state.dragging = list.key; // the slider must not be replaced under the pointer
    if (!now().slider?.lists) sendAction(state.component, "epochs", { list: list.key });
  });
  for (const end of ["pointerup", "pointercancel", "blur"]) input.addEventListener(end, () => stopDragging(state));
  return make("label", { class: "slider small" }, make("span", { class: "muted" }, "untrained"), input, output);
};
const stopDragging = (state) => {
  state.dragging = null;
  if (state.late) requestAnimationFrame(() => { if (state.late && !state.dragging) { state.late = false; draw(state); } });
};
const epochText = (list, epoch) => (epoch === 0 ? "untrained" : epoch === list.slider.epochs.at(-1) ? `best epoch, ${epoch}` : `epoch ${epoch}`);

const itemsOf = (state, list) => {
  if (!list.slider) return list.items;
  const chosen = state.epoch.get(list.key) ?? list.slider.epoch;
  // The server's own list of the chosen epoch has reasons; those of the other epochs are for dragging.
  const items = chosen === list.slider.epoch ? list.items : list.slider.lists?.[chosen];
  if (!items) return list.items;
  const last = list.slider.epochs.at(-1);
  if (chosen === last || !list.slider.lists) return items;
  const best = new Map((list.slider.lists[last] ?? []).map((item) => [item.id, item.rank]));
  return items.map((item) => ({ ...item, change: best.has(item.id) ? `No. ${best.get(item.id)} in the best epoch` : "" }));
};

const redrawItems = (state, list) => {
  const column = state.root.querySelector(`[data-list="${CSS.escape(list.key)}"] ol`);
  if (!column) return;
  const before = new Map([...column.children].map((node) => [node.dataset.id, node.getBoundingClientRect().top]));
  column.replaceChildren(...itemsOf(state, list).map((item) => row(state, item, list.key)));
  if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const node of column.children) {
    const old = before.get(node.dataset.id);
    if (old === undefined) node.animate([{ opacity: 0 }, { opacity: 1 }], SLIDE);
    else node.animate([{ transform: `translateY(${old - node.getBoundingClientRect().top}px)` }, { transform: "none" }], { duration: SLIDE, easing: "ease-out" });
  }
};

const column = (state, list) => {
  const swatch = make("span", { class: "swatch" });
  if (list.colour) swatch.style.setProperty("--dot", `light-dark(${list.colour[0]}, ${list.colour[1]})`);
  return make("section", { class: "column", "data-list": list.key, "aria-label": list.title },
    make("header", {},
      make("h2", {}, list.colour ? swatch : null, list.title),
      make("p", { class: "muted small", title: list.tip }, list.subtitle),
      list.reading ? make("p", { class: "muted small" }, list.reading) : null,
      list.slider ? epochSlider(state, list) : null,
      list.note ? make("p", { class: "note small" }, list.note) : null),
    make("ol", {}, ...itemsOf(state, list).map((item) => row(state, item, list.key))));
};

const scrollTo = (state, index) => {
  const target = state.track.children[index];
  if (target) state.track.scrollTo({ left: target.offsetLeft - state.track.offsetLeft, behavior: "smooth" });
};

const updateArrows = (state) => {
  const { track } = state;
  if (!track) return;
  const end = track.scrollWidth - track.clientWidth;
  state.root.classList.toggle("scrolls", end > 4);
  state.back.disabled = track.scrollLeft < 4;
  state.next.disabled = track.scrollLeft > end - 4;
  const middle = track.scrollLeft + track.clientWidth / 2;
  const index = [...track.children].findIndex((node) => node.offsetLeft - track.offsetLeft + node.offsetWidth > middle);
  state.root.querySelectorAll("[role=tab]").forEach((tab, number) => tab.setAttribute("aria-selected", String(number === (index < 0 ? 0 : index))));
};

const draw = (state) => {
  const { data } = state.component;
  const focused = state.root.getRootNode().activeElement?.dataset?.focus;
  const left = state.track?.scrollLeft ?? 0;
  const update = data.changes
    ? make("div", { class: "update", role: "status" }, make("span", {}, data.changes),
        make("button", { type: "button", class: "primary", "data-focus": "update", onclick: () => sendAction(state.component, "update") }, "Update lists"))
    : null;
  state.track = make("div", { class: `track-x ${data.merged ? "merged" : ""} ${data.lists.some((list) => list.slider) ? "with-sliders" : ""}`, tabindex: "0", role: "group", "aria-label": data.label, onscroll: () => updateArrows(state) },
    ...data.lists.map((list) => column(state, list)));
  state.back = iconButton("left", "Previous lists", () => state.track.scrollBy({ left: -state.track.clientWidth * 0.9, behavior: "smooth" }));
  state.next = iconButton("right", "Next lists", () => state.track.scrollBy({ left: state.track.clientWidth * 0.9, behavior: "smooth" }));
  const tabs = data.lists.length > 1
    ? make("div", { class: "tabs", role: "tablist", "aria-label": "Lists" }, ...data.lists.map((list, index) =>
        make("button", { type: "button", role: "tab", "aria-selected": String(index === 0), "data-focus": `tab-${list.key}`, onclick: () => scrollTo(state, index) }, list.title)))
    : null;
  state.root.replaceChildren(...[make("div", { class: "bar-top" }, tabs, make("span", { class: "arrows" }, state.back, state.next)), state.track, update].filter(Boolean));
  state.track.scrollLeft = left;
  updateArrows(state);
  if (focused) state.root.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
};

export default function (component) {
  const key = component.parentElement;
  let state = states.get(key);
  if (!state) {
    state = { root: key.querySelector(".root"), epoch: new Map(), drawn: "", dragging: null, late: false };
    state.observer = new ResizeObserver(() => updateArrows(state));
    state.observer.observe(state.root);
    states.set(key, state);
  }
  state.component = component;
  for (const list of component.data.lists) {
    if (list.slider && state.picks !== component.data.version) state.epoch.set(list.key, list.slider.epoch);
  }
  state.picks = component.data.version;
  const drawn = JSON.stringify(component.data);
  if (drawn !== state.drawn) {
    state.drawn = drawn;
    if (!state.dragging) draw(state);
    else {
      state.late = true;
      const dragged = component.data.lists.find((list) => list.key === state.dragging);
      if (dragged) redrawItems(state, dragged);
    }
  }
  return () => { state.observer.disconnect(); states.delete(key); };
}
