// The list of runs: rows are patched in place, so that focus, hover and scroll position survive every refresh.

const FILTER_PAUSE = 120; // milliseconds without a key before the server filters
const ERROR_PAUSE = 700; // milliseconds before a filter that is being typed is called wrong

const shapes = {
  eye: "M2 12s3.6-6.5 10-6.5S22 12 22 12s-3.6 6.5-10 6.5S2 12 2 12zM12 9a3 3 0 100 6 3 3 0 000-6z",
  hidden: "M4 4l16 16M9.5 5.8A9.8 9.8 0 0112 5.5c6.4 0 10 6.5 10 6.5a17 17 0 01-3 3.6M6.3 7.4A16.6 16.6 0 002 12s3.6 6.5 10 6.5c1.7 0 3.2-.4 4.5-1",
  pin: "M9 3.5h6l-1 6 3.5 3.5v2h-11v-2L10 9.5zM12 15v5.5",
  only: "M12 3.5v3M12 17.5v3M3.5 12h3M17.5 12h3M12 8a4 4 0 100 8 4 4 0 000-8z",
  open: "M6 9.5l6 6 6-6",
  folded: "M9.5 6l6 6-6 6",
  queued: "M12 4a8 8 0 100 16 8 8 0 000-16zM12 8v4.5l3 2",
  running: "M8 5.5v13l10.5-6.5z",
  finished: "M5 12.5l4.5 4.5L19 7.5",
  failed: "M12 3.5L2.500 20h19zM12 10v4.5M12 17v.3",
  stopped: "M7 7h10v10H7z",
  interrupted: "M12 3.5v8M7 6.5a7.5 7.5 0 1010 0",
};
const shape = (name) => {
  const svg = icon("add");
  svg.firstChild.setAttribute("d", shapes[name]);
  return svg;
};
const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const setIcon = (node, name) => {
  if (node.dataset.icon === name) return;
  node.dataset.icon = name;
  node.replaceChildren(shape(name));
};
const setAttributes = (node, values) => {
  for (const [name, value] of Object.entries(values)) if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
};
const button = (kind, attributes = {}, ...children) => make("button", { type: "button", class: kind, ...attributes }, ...children);

// Every action is sent until the server names it as done: two clicks that meet in one request are both applied.
const act = (state, kind, values = {}) => {
  state.number = Math.max(Date.now(), state.number + 1);
  if (kind === "query") state.waiting = state.waiting.filter((one) => one.kind !== "query");
  state.waiting.push({ kind, ...values, n: state.number });
  sendAction(state.component, "list", { actions: state.waiting });
  draw(state);
};

// What is waiting is shown as if it were done.
const applied = (state, entry) => {
  const shown = { ...entry, ...newer(state, entry) };
  for (const one of state.waiting) {
    if (one.kind === "show" && one.id === entry.id) shown.shown = one.on;
    if (one.kind === "pin" && one.id === entry.id) shown.pinned = one.on;
  }
  return shown;
};
const newer = (state, entry) => {
  const live = window.recdashRunRows?.live[entry.id];
  return live && live.version >= entry.version ? live : {};
};

const keyOf = (entry) => (entry.id ? `run ${entry.id}` : `group ${entry.group}`);

const makeRow = (state, entry) => {
  const { id } = entry;
  const row = { entry, node: make("li", { class: "run" }) };
  const toggle = () => act(state, "show", { id, on: !applied(state, row.entry).shown });
  row.toggle = toggle;
  row.eye = button("eye", { onclick: () => { state.active = keyOf(entry); toggle(); } });
  row.swatch = make("span", { class: "swatch", "aria-hidden": "true" });
  const { canOpen } = state.component.data;
  row.name = canOpen ? make("a", { class: "name", href: `run?id=${encodeURIComponent(id)}` }) : make("span", { class: "name" });
  if (canOpen) row.name.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
    event.preventDefault();
    act(state, "open", { id });
  });
  row.value = make("span", { class: "value" });
  row.only = button("tool only", { onclick: () => act(state, "only", { id }) }, shape("only"));
  row.pin = button("tool pin", { onclick: () => act(state, "pin", { id, on: !applied(state, row.entry).pinned }) }, shape("pin"));
  row.mark = make("span", { class: "pin-mark", "aria-hidden": "true" }, shape("pin"));
  row.icon = make("span", { class: "state-icon", "aria-hidden": "true" });
  row.text = make("span", { class: "state-text" });
  row.tags = make("span", { class: "tags" });
  row.note = make("div", { class: "note" }, row.text, row.tags);
  row.node.append(row.eye, row.swatch, row.icon, make("div", { class: "title" }, row.name, row.note), row.mark, row.value,
    make("div", { class: "tools" }, row.only, row.pin));
  row.controls = [row.eye, ...(canOpen ? [row.name] : []), row.only, row.pin];
  row.update = (next) => {
    row.entry = next;
    const now = applied(state, next);
    row.node.className = `run ${now.state}${now.shown ? " shown" : ""}${now.pinned ? " pinned" : ""}`;
    setAttributes(row.eye, { "aria-pressed": now.shown, "aria-label": `Show ${now.name}`, title: now.shown ? "Hide (x)" : "Show (x)" });
    setIcon(row.eye, now.shown ? "eye" : "hidden");
    drawSwatch(row.swatch, now);
    setIcon(row.icon, now.state);
    setAttributes(row.icon, { title: now.state });
    setText(row.name, now.name);
    setAttributes(row.name, { title: now.name });
    setText(row.value, now.value);
    setAttributes(row.value, { title: now.metric });
    row.mark.hidden = !now.pinned;
    setAttributes(row.only, { "aria-label": `Show only ${now.name}`, title: "Show only this" });
    setAttributes(row.pin, { "aria-pressed": now.pinned, "aria-label": `Pin ${now.name}`, title: now.pinned ? "Unpin (p)" : "Pin to the top (p)" });
    const words = [now.text, now.warning, now.archived ? "archived" : ""].filter(Boolean).join(" · ");
    setText(row.text, words);
    row.text.classList.toggle("warning", Boolean(now.warning));
    if (row.tags.dataset.tags !== now.tags.join("\n")) {
      row.tags.dataset.tags = now.tags.join("\n");
      row.tags.replaceChildren(...now.tags.map((tag) => make("span", { class: "tag" }, tag)));
    }
    row.note.hidden = !words && !now.tags.length;
    row.tall ||= !row.note.hidden && now.state !== "finished"; // what is below a run stays in place when it ends
    row.node.classList.toggle("tall", Boolean(row.tall));
  };
  return row;
};

const drawSwatch = (node, entry) => {
  const wanted = `${entry.colour} ${entry.shown} ${entry.dash}`;
  if (node.dataset.line === wanted) return;
  node.dataset.line = wanted;
  const svg = shape("folded");
  svg.setAttribute("viewBox", "0 0 20 6");
  svg.firstChild.setAttribute("d", "M0 3h20");
  svg.style.stroke = entry.colour;
  if (entry.dash.length) svg.firstChild.setAttribute("stroke-dasharray", entry.dash.join(" "));
  node.replaceChildren(svg);
};

const makeGroup = (state, entry) => {
  const { group } = entry;
  const row = { entry, node: make("li", { class: "group" }) };
  row.toggle = () => act(state, "show", { group, on: row.entry.shown < row.entry.count });
  row.eye = button("eye", { onclick: () => { state.active = keyOf(entry); row.toggle(); } });
  row.fold = button("fold", { onclick: () => act(state, "fold", { group, on: row.entry.open }) });
  row.arrow = make("span", { class: "arrow", "aria-hidden": "true" });
  row.title = make("span", { class: "group-title" });
  row.count = make("span", { class: "count" });
  row.fold.append(row.arrow, row.title, row.count);
  row.node.append(row.eye, row.fold);
  row.controls = [row.eye, row.fold];
  row.update = (next) => {
    row.entry = next;
    const all = next.shown === next.count;
    setAttributes(row.eye, { "aria-pressed": all ? "true" : next.shown ? "mixed" : "false", "aria-label": `Show all of ${next.title}`,
      title: all ? "Hide all of this group" : "Show all of this group" });
    setIcon(row.eye, next.shown ? "eye" : "hidden");
    setIcon(row.arrow, next.open ? "open" : "folded");
    setAttributes(row.fold, { "aria-expanded": next.open });
    setText(row.title, next.title);
    setText(row.count, `${next.shown}/${next.count}`);
  };
  return row;
};

const drawList = (state, entries) => {
  const { list, rows } = state;
  const focused = state.root.getRootNode().activeElement;
  const keys = new Set(entries.map(keyOf));
  for (const [key, row] of rows) if (!keys.has(key)) { row.node.remove(); rows.delete(key); }
  if (!keys.has(state.active)) state.active = entries.length ? keyOf(entries[0]) : null;
  entries.forEach((entry, index) => {
    const key = keyOf(entry);
    if (!rows.has(key)) rows.set(key, entry.id ? makeRow(state, entry) : makeGroup(state, entry));
    const row = rows.get(key);
    row.update(entry);
    for (const control of row.controls) setAttributes(control, { tabindex: key === state.active ? 0 : -1 });
    if (list.children[index] !== row.node) list.insertBefore(row.node, list.children[index] ?? null);
  });
  state.order = entries.map(keyOf);
  if (focused && focused !== state.root.getRootNode().activeElement && focused.isConnected) focused.focus({ preventScroll: true });
};

const drawChoice = (select, options, value) => {
  const wanted = JSON.stringify(options);
  if (select.dataset.options !== wanted) {
    select.dataset.options = wanted;
    select.replaceChildren(...options.map(([key, title]) => make("option", { value: key }, title)));
  }
  if (select.getRootNode().activeElement !== select || select.value === "") select.value = value;
};

const draw = (state) => {
  const view = state.view;
  if (!view) return;
  const { component, input, error } = state;
  const pending = state.waiting.some((one) => one.kind === "query") || state.timer;
  if (!pending && state.adopted !== view.query) {
    state.adopted = view.query;
    if (input.value !== view.query) input.value = view.query;
  }
  if (!pending) showError(state, view.error);
  else if (!view.error) error.hidden = true;
  setAttributes(input, { "aria-invalid": Boolean(view.error) });
  drawChoice(state.group, view.groups, view.group);
  drawChoice(state.sort, view.orders, view.order);
  const filtered = view.matching !== view.total;
  setText(state.count, `${filtered ? `${view.matching} of ` : ""}${view.total} runs, ${view.shown} shown`);
  setText(state.value, view.value);
  setText(state.all, filtered ? "Show matching" : "Show all");
  state.unlisted.hidden = !view.unlisted;
  setText(state.unlisted, `${view.unlisted} shown ${view.unlisted === 1 ? "run does" : "runs do"} not match the filter.`);
  state.nothing.hidden = view.entries.length > 0;
  state.more.hidden = view.more <= 0;
  setText(state.more, `Show ${Math.min(60, view.more)} more of ${view.more}`);
  state.archivedLine.hidden = !view.nArchived;
  state.archived.checked = view.archived;
  setText(state.archivedText, `Archived runs (${view.nArchived})`);
  setText(state.selected, `With the ${view.shown} shown ${view.shown === 1 ? "run" : "runs"}`);
  for (const one of state.bulk) one.disabled = !view.shown;
  state.message.hidden = !view.message;
  setText(state.messageText, view.message);
  state.undo.hidden = !view.canUndo;
  drawList(state, view.entries);
};

const showError = (state, text) => {
  clearTimeout(state.errorTimer);
  state.error.hidden = !text || (state.error.hidden && document.hasFocus() && state.typing);
  setText(state.error, text);
  if (text && state.error.hidden) state.errorTimer = setTimeout(() => { state.typing = false; state.error.hidden = false; }, ERROR_PAUSE);
};

const receive = (state) => {
  const { view } = window.recdashRunRows ?? {};
  if (!view || view.page !== state.component.data.page) return;
  state.view = view;
  state.waiting = state.waiting.filter((one) => one.n > view.done);
  draw(state);
};

const focusRow = (state, key) => {
  if (!key) return;
  state.active = key;
  draw(state);
  const { eye, node } = state.rows.get(key);
  eye.focus({ preventScroll: true });
  node.scrollIntoView({ block: "nearest" });
};

const move = (state, step) => {
  const { order, active, rows } = state;
  if (!order.length) return;
  const inside = rows.get(active)?.node.contains(state.root.getRootNode().activeElement);
  const at = order.indexOf(active);
  if (!inside) return focusRow(state, at < 0 ? order[0] : active);
  if (at + step >= order.length && state.view.more > 0) act(state, "more");
  focusRow(state, order[Math.min(order.length - 1, Math.max(0, at + step))]);
};

// On a phone, and where the sidebar was closed, the filter opens it.
const focusFilter = (state) => {
  document.querySelector('[data-testid="stExpandSidebarButton"]')?.click();
  state.input.focus({ preventScroll: true });
  state.input.select();
};

const isPage = (target) => target === document.body || target === document.documentElement ||
  ["stMain", "stAppViewContainer", "stApp"].includes(target?.dataset?.testid);

const onKey = (state, event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.composedPath()[0];
  const inside = state.root.contains(target);
  if (!inside && !isPage(target)) return;
  const { key } = event;
  const done = () => event.preventDefault();
  if (target === state.input) {
    if (key === "Enter" || key === "ArrowDown") { done(); focusRow(state, state.order[0]); }
    else if (key === "Escape") { done(); if (state.input.value) { state.input.value = ""; ask(state, 0); } else state.input.blur(); }
    return;
  }
  if (["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName)) {
    if (key === "Escape") target.blur();
    return;
  }
  const row = state.rows.get(state.active);
  const focused = inside && row?.node.contains(target);
  if (key === "/") { done(); focusFilter(state); }
  else if (key === "j" || (inside && key === "ArrowDown")) { done(); move(state, 1); }
  else if (key === "k" || (inside && key === "ArrowUp")) { done(); move(state, -1); }
  else if (key === "x" && row) { done(); row.toggle(); }
  else if (key === "p" && row?.pin) { done(); row.pin.click(); }
  else if (key === "Enter" && focused && target === row.eye) { done(); if (row.entry.id) row.name.click(); else row.fold.click(); }
  else if (key === "Escape" && inside) { done(); target.blur(); }
};

const ask = (state, pause = FILTER_PAUSE) => {
  clearTimeout(state.timer);
  state.typing = true;
  state.timer = setTimeout(() => { state.timer = 0; state.adopted = state.input.value; act(state, "query", { text: state.input.value }); }, pause);
};

const labelled = (text, control) => make("label", {}, make("span", {}, text), control);

const build = (component) => {
  const root = component.parentElement.querySelector(".root");
  const { data } = component;
  const state = { component, root, rows: new Map(), order: [], waiting: [], number: 0, active: null, view: null, timer: 0, adopted: "" };
  state.input = make("input", { type: "text", spellcheck: "false", autocomplete: "off", "aria-label": "Filter runs", enterkeyhint: "search",
    "aria-describedby": "filter-error", placeholder: "Filter, as model:recvae best>0.3", oninput: () => ask(state) });
  state.error = make("p", { class: "error", id: "filter-error", role: "status", hidden: true });
  const examples = make("dl", { hidden: true }, ...data.help.flatMap(([example, meaning]) => [make("dt", {}, example), make("dd", {}, meaning)]));
  const help = button("link", { "aria-expanded": "false", "aria-label": "What a filter can say", title: "What a filter can say", onclick: () => {
    examples.hidden = !examples.hidden;
    help.setAttribute("aria-expanded", String(!examples.hidden));
  } }, "?");
  state.group = make("select", { onchange: () => act(state, "group", { by: state.group.value }) });
  state.sort = make("select", { onchange: () => act(state, "order", { by: state.sort.value }) });
  state.count = make("span", { role: "status" });
  state.value = make("span", { class: "value-title", title: "Validation value at the best epoch" });
  state.all = button("link", { onclick: () => act(state, "all") });
  const none = button("link", { onclick: () => act(state, "none") }, "Hide all");
  state.unlisted = make("p", { class: "muted small", hidden: true });
  state.nothing = make("p", { class: "muted", hidden: true }, "No run matches the filter.");
  state.list = make("ul", { "aria-label": "Runs" });
  state.more = button("more", { onclick: () => act(state, "more") });
  state.archived = make("input", { type: "checkbox", onchange: () => act(state, "archived", { on: state.archived.checked }) });
  state.archivedText = make("span");
  state.archivedLine = make("label", { class: "check", hidden: true }, state.archived, state.archivedText);
  state.selected = make("p", { class: "muted small" });
  state.messageText = make("span");
  state.undo = button("link", { onclick: () => act(state, "undo") }, "Undo");
  state.message = make("p", { class: "message", role: "status", hidden: true }, state.messageText, state.undo);
  const tags = make("input", { type: "text", "aria-label": "Tags, separated by commas", placeholder: "Tag, another tag", maxlength: "200" });
  const close = () => { menu.open = false; };
  const bulk = (label, kind, values = () => ({})) => button("small-button", { onclick: () => { act(state, kind, values()); close(); tags.value = ""; } }, label);
  state.bulk = [bulk("Add tag", "tag", () => ({ tags: tags.value })), bulk("Remove tag", "untag", () => ({ tags: tags.value })),
    bulk("Archive", "archive"), bulk("Unarchive", "unarchive"), bulk("Delete", "trash")];
  const menu = make("details", { class: "more-actions" }, make("summary", { "aria-label": "More actions", title: "More actions" }, "⋯"),
    make("div", { class: "panel" }, state.selected, tags, make("div", { class: "buttons" }, ...state.bulk)));
  root.replaceChildren(
    make("div", { class: "field" }, icon("search"), state.input, help), state.error, examples,
    make("div", { class: "choices" }, labelled("Group", state.group), labelled("Sort", state.sort)),
    make("div", { class: "bar" }, state.all, none, data.canEdit ? menu : ""),
    state.message, state.archivedLine,
    make("div", { class: "head" }, state.count, state.value), state.unlisted, state.nothing, state.list, state.more,
    make("p", { class: "keys" }, ...[["/", "filter"], ["j k", "move"], ["x", "show"], ["p", "pin"], ...(data.canOpen ? [["Enter", "open"]] : []), ["Esc", "leave"]]
      .flatMap(([key, meaning]) => [make("kbd", {}, key), ` ${meaning} `])),
  );
  state.onkey = (event) => onKey(state, event);
  state.onrows = () => receive(state);
  document.addEventListener("keydown", state.onkey);
  window.addEventListener("recdash-run-rows", state.onrows);
  root.addEventListener("focusin", (event) => {
    const found = [...state.rows].find(([, row]) => row.node.contains(event.target));
    if (found && found[0] !== state.active) { state.active = found[0]; draw(state); }
  });
  return state;
};

const states = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!states.has(root)) states.set(root, build(component));
  const state = states.get(root);
  state.component = component;
  receive(state);
  return () => {
    document.removeEventListener("keydown", state.onkey);
    window.removeEventListener("recdash-run-rows", state.onrows);
    clearTimeout(state.timer);
    states.delete(root);
  };
}
