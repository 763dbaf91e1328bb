// Hands rows to the runs sidebar: a message of its own, so that a change of the rows does not send the sidebar's script.

export default function (component) {
  const { view, live } = component.data;
  const shared = (window.recdashRunRows ??= { view: null, live: {} });
  if (view) shared.view = view;
  if (live) Object.assign(shared.live, live);
  window.dispatchEvent(new Event("recdash-run-rows"));
}
