// A table of results or trials: headings sort (best first on the first click), rows open and are selected, names link to a run's page.

const plainClick = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);

const heading = (component, column) => {
  const arrow = { descending: "▼", ascending: "▲" }[column.sorted] ?? "";
  const label = make("span", { class: "heading" }, make("span", {}, column.title),
    column.sub ? make("span", { class: "sub" }, column.sub) : null);
  return make("th", { scope: "col", class: column.kind, "aria-sort": column.sorted || null, title: column.help || null },
    column.sortable
      ? make("button", { type: "button", "data-focus": `sort ${column.id}`, onclick: () => sendAction(component, "sort", { column: column.id }) },
        label, make("span", { class: "arrow", "aria-hidden": "true" }, arrow))
      : label);
};

const cell = (column, value) => {
  const content = value === null ? { t: "–" } : typeof value === "string" ? { t: value } : value;
  const tags = content.tags ? content.tags.map((tag) => make("span", { class: "tag" }, tag)) : [];
  return make("td", { class: [column.kind, ...(content.m ?? [])].join(" "), title: content.h || null },
    content.t ?? "", content.d ? make("span", { class: "detail" }, ` ${content.d}`) : null, ...tags);
};

const nameCell = (component, row) => {
  const box = make("input", {
    type: "checkbox", "aria-label": `Select ${row.name}`, "data-focus": `box ${row.id}`,
    onchange: (event) => sendAction(component, "select", { runs: row.runs, on: event.target.checked }),
  });
  box.disabled = !row.runs.length;
  box.checked = row.selected === "all";
  box.indeterminate = row.selected === "some";
  const toggle = row.open === null ? null : make("button", {
    type: "button", class: "toggle", "aria-expanded": String(row.open), "data-focus": `open ${row.id}`,
    "aria-label": `${row.open ? "Hide" : "Show"} the ${row.count} of ${row.name}`,
    onclick: () => sendAction(component, "open", { row: row.id }),
  }, row.open ? "▾" : "▸");
  const dot = make("span", { class: "dot", "aria-hidden": "true" });
  dot.style.background = row.colour;
  const link = !row.run ? make("span", {}, row.name) : make("a", {
    href: `run?id=${encodeURIComponent(row.run)}`, "data-focus": `link ${row.id}`, title: row.about || null,
    onclick: (event) => {
      if (!plainClick(event)) return;
      event.preventDefault();
      sendAction(component, "visit", { run: row.run });
    },
  }, row.name);
  return make("th", { scope: "row", class: "name" },
    make("div", { class: row.level ? "line child" : "line" }, make("label", { class: "box" }, box), toggle ?? make("span", { class: "toggle" }), dot,
      make("span", { class: "label" }, link, row.count ? make("span", { class: "detail" }, ` ${row.count}`) : null)));
};

const draw = (component, root) => {
  const { data } = component;
  const focused = root.getRootNode().activeElement?.getAttribute("data-focus");
  let scroller = root.querySelector(".scroller");
  if (!scroller) {
    scroller = make("div", { class: "scroller", role: "region", tabindex: "0" });
    root.replaceChildren(scroller);
  }
  scroller.setAttribute("aria-label", data.label);
  const head = make("thead", {}, make("tr", {}, ...data.columns.map((column) => heading(component, column))));
  const [, ...rest] = data.columns;
  const rows = data.rows.map((row) => make("tr", { class: row.selected === "none" ? "" : "selected" },
    nameCell(component, row), ...rest.map((column, index) => cell(column, row.cells[index]))));
  scroller.replaceChildren(make("table", { class: data.rows.some((row) => row.open !== null) ? null : "flat" }, make("caption", { class: "sr-only" }, data.label), head, make("tbody", {}, ...rows)));
  if (focused) scroller.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
};

export default function (component) {
  draw(component, component.parentElement.querySelector(".root"));
}
