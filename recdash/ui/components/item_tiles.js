// Tiles to tap: picture, title, year and genres. A tapped tile stays where it is and can be tapped again.

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".root");
  const tiles = data.items.map((item) => {
    const picked = item.mark !== "";
    return make(
      "button",
      {
        type: "button", class: "tile", "data-id": item.id, "aria-pressed": String(picked),
        "aria-label": `${picked ? "Remove" : "Pick"} ${withYear(item)}`,
        onclick: () => sendAction(component, picked ? "remove" : "like", { id: item.id }),
      },
      picture(item.tile, "wide"),
      make("span", { class: "title" }, item.title),
      make("span", { class: "muted small facts" }, [item.year, item.genres].filter(Boolean).join(" · ")),
      picked ? make("span", { class: "badge" }, icon("check")) : null,
    );
  });
  const focused = root.querySelector("button:focus")?.dataset.id ?? root.getRootNode().activeElement?.dataset?.id;
  root.replaceChildren(make("div", { class: "grid", role: "group", "aria-label": data.label }, ...tiles));
  if (focused) tiles.find((tile) => tile.dataset.id === focused)?.focus({ preventScroll: true });
}
