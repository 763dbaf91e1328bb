"""Every page in a real browser: accessibility, the console, titles, headings, back and forward, search and notices."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recdash import paths
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import store_access
from tests.browser.conftest import chromium, serving
from tests.browser.test_recommend import request, train
from tests.run_helpers import Runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = {  # address: name in the title
    "/": "Overview",
    "/train": "Train",
    "/curves": "Curves",
    "/results": "Results",
    "/published": "Published",
    "/published?table=vae20m": "Published",
    "/recommend": "Recommend",
    "/data": "Data",
    "/data?tab=Protocol": "Data",
    "/data?tab=Get+MovieLens": "Data",
    "/data?tab=Import": "Data",
}
UNKNOWN = {
    "/run?id=no-such-run": "Run",
    "/curves?run=no-such-run&show=nothing": "Curves",
    "/results?dataset=nothing&protocol=nothing": "Results",
    "/recommend?dataset=nothing&pick=nothing": "Recommend",
    "/data?dataset=nothing&tab=nothing": "Data",
    "/published?table=nothing&metric=nothing": "Published",
}
LOOKS = [("light", 1440), ("dark", 390)]  # colours depend on the theme, places on the width
MAX_ANSWER_SECONDS = 0.2  # from the last key to the palette's answer, on two cores that do nothing else
BUSY = 2.0  # allowance for other processes on the machine, as a factor

DEEP = """const all = (selector, root = document, found = []) => { found.push(...root.querySelectorAll(selector));
    for (const node of root.querySelectorAll("*")) if (node.shadowRoot) all(selector, node.shadowRoot, found);
    return found };"""
HEADINGS = f"""() => {{ {DEEP} return all("h1,h2,h3,h4,h5,h6").filter((node) => node.checkVisibility())
    .map((node) => [Number(node.tagName[1]), node.textContent]) }}"""
# Accessible names are plain text: Markdown in them is read out as signs.
MARKDOWN_NAMES = rf"""() => {{ {DEEP} return all("[aria-label], [title]")
    .flatMap((node) => [node.getAttribute("aria-label"), node.getAttribute("title")])
    .filter((name) => /:(gray|color|small|material)\S*[\[/]|\*\*|\]\(/.test(name ?? "")) }}"""
# Width and height of what can be clicked; labels are targets of the inputs that they contain.
SMALL_TARGETS = f"""() => {{ {DEEP} return all("button, [role=tab], [role=option], summary")
    .filter((node) => node.checkVisibility({{ visibilityProperty: true, opacityProperty: true }}))
    .map((node) => [node.getAttribute("aria-label") || node.textContent, node.getBoundingClientRect()])
    .filter(([, box]) => box.width > 2 && (box.width < 24 || box.height < 20))
    .map(([name, box]) => `${{name}}: ${{Math.round(box.width)}} x ${{Math.round(box.height)}}`) }}"""
PALETTE = "Search runs, titles, pages and actions"


class App(NamedTuple):
    """The running app and its folders."""

    url: str
    home: Path

    @contextmanager
    def folders(self) -> Iterator[None]:
        """Use the folders of the app in this process."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RECDASH_DATA_DIR", str(self.home / "data"))
            patch.setenv("RECDASH_CHECKPOINT_DIR", str(self.home / "checkpoints"))
            store_access._store.cache_clear()
            yield
            store_access._store.cache_clear()


@pytest.fixture(scope="module")
def app(demo_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on an empty store, which tests further down fill."""
    home = tmp_path_factory.mktemp("all-pages")
    shutil.copytree(demo_cache, home / "data" / "cache")
    found = App("", home)
    with found.folders(), serving(dict(os.environ)) as server:
        yield found._replace(url=server.url)


@pytest.fixture(scope="module")
def trained(app: App) -> dict[str, str]:
    """Train four models on the demo for two epochs; gives the ids of the runs by model."""
    with app.folders():
        return train([request(model, "demo", "fast") for model in ("ease", "multvae", "multdae", "autorec")])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests here."""
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A visitor of their own."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def said(page: Any) -> list[str]:
    """Collect the warnings and errors of a page's console, without those about Streamlit's own two requests."""
    lines: list[str] = []

    def note(message: Any) -> None:
        if message.type in ("warning", "error") and "/_stcore/" not in message.location.get("url", ""):
            lines.append(f"{message.type}: {message.text[:200]}")

    page.on("console", note)
    page.on("pageerror", lambda error: lines.append(f"page error: {error}"))
    return lines


def rest(page: Any) -> None:
    """Wait until the app has drawn what was asked for."""
    page.get_by_role("heading", level=1).first.wait_for()
    page.get_by_role("button", name=PALETTE).wait_for()
    page.wait_for_timeout(400)
    page.wait_for_function("() => !document.querySelector('[data-test-script-state=running]')")
    page.wait_for_timeout(300)


def axe_faults(page: Any) -> list[str]:
    """What axe finds on the page, serious and critical."""
    from axe_playwright_python.base import AXE_SCRIPT

    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")["violations"]
    serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    return [f"{fault['id']}: {node['html'][:160]}" for fault in serious for node in fault["nodes"]]


def skipped_levels(headings: list[tuple[int, str]]) -> list[str]:
    """Headings that are more than one level below the one before."""
    before = [0, *(level for level, _ in headings)]
    return [text for above, (level, text) in zip(before, headings, strict=False) if level > above + 1]


def faults_of(page: Any, url: str, name: str, looks: list[tuple[str, int]]) -> list[str]:
    """Open a page and look at it in several themes and widths."""
    lines = said(page)
    page.set_viewport_size({"width": looks[0][1], "height": 1000})
    page.emulate_media(color_scheme=looks[0][0])
    page.goto(url)
    rest(page)
    found = []
    if not re.fullmatch(rf"(.+ · )?{name} · recdash", page.title()):
        found.append(f"title: {page.title()}")
    headings = page.evaluate(HEADINGS)
    found += [f"heading skips a level: {text}" for text in skipped_levels(headings)]
    found += [f"level 1: {text}" for level, text in headings[1:] if level == 1]
    found += [f"Markdown in a name: {text}" for text in page.evaluate(MARKDOWN_NAMES)]
    found += [f"small target: {text}" for text in page.evaluate(SMALL_TARGETS)]
    for theme, width in looks:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 1000})
        rest(page)
        found += [f"{theme}, {width} px: {fault}" for fault in axe_faults(page)]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{theme}, {width} px: wider than the window")
    return [*found, *lines]


def faults(browser: Any, app: App, pages: dict[str, str], looks: list[tuple[str, int]]) -> dict[str, list[str]]:
    """The faults of pages, by address; each is opened by a visitor of its own."""
    found = {}
    for address, name in pages.items():
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(30_000)
        found[address] = faults_of(page, app.url + address, name, looks)
        context.close()
    return {address: lines for address, lines in found.items() if lines}


def test_no_page_has_a_fault_while_nothing_is_trained(app: App, browser: Any) -> None:
    assert not faults(browser, app, {**PAGES, "/run?id=no-such-run": "Run"}, [LOOKS[1]])


def test_no_page_has_a_fault_after_training(app: App, browser: Any, trained: dict[str, str]) -> None:
    more = {f"/run?id={trained['multvae']}": "Run", "/recommend?dataset=demo&pick=1&pick=2": "Recommend"}
    assert not faults(browser, app, {**PAGES, **more}, LOOKS)


def test_unknown_ids_in_an_address_break_no_page(app: App, browser: Any, trained: dict[str, str]) -> None:
    assert not faults(browser, app, UNKNOWN, [LOOKS[0]])


def found(tab: Any, text: str | re.Pattern[str] = "") -> Any:
    """The palette's first entry that has a text."""
    return tab.get_by_role("listbox", name="Results").get_by_role("option").filter(has_text=text or None).first


def open_palette(tab: Any) -> Any:
    """Open the palette with its keys; gives its field."""
    tab.keyboard.press("Control+k")
    field = tab.get_by_role("combobox", name=PALETTE)
    field.wait_for()
    found(tab).wait_for()
    return field


def test_the_palette_finds_runs_titles_pages_and_actions_by_keyboard(
    app: App, tab: Any, trained: dict[str, str]
) -> None:
    tab.goto(f"{app.url}/data")
    rest(tab)
    open_palette(tab)
    assert not axe_faults(tab)
    tab.keyboard.type("godfater")
    first = found(tab)
    first.filter(has_text="The Godfather (1972)").wait_for()
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile(r"/recommend\?dataset=demo&pick=\d+"))
    tab.locator("section.column").first.wait_for()

    tab.go_back()
    tab.wait_for_url(re.compile("/data"))
    tab.get_by_role("heading", name="Data", exact=True).wait_for()
    assert "pick=" not in tab.url
    tab.go_forward()
    tab.get_by_role("heading", name="Recommend", exact=True).wait_for()
    rest(tab)

    open_palette(tab)
    tab.get_by_role("group", name="Recent").get_by_text("The Godfather (1972)").wait_for()
    tab.keyboard.type("mult-vae")
    first.filter(has_text="Mult-VAE on demo").wait_for()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile(f"/run\\?id={trained['multvae']}"))
    rest(tab)

    open_palette(tab)
    tab.keyboard.press("Tab")  # the focus stays in the dialog
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Escape")
    tab.get_by_role("combobox", name=PALETTE).wait_for(state="hidden")
    opener = tab.get_by_role("button", name=PALETTE)
    opener.focus()
    tab.keyboard.press("Enter")
    tab.get_by_role("combobox", name=PALETTE).wait_for()
    tab.keyboard.press("Escape")
    assert opener.evaluate("node => node.getRootNode().activeElement === node")  # the focus comes back


def test_the_palette_answers_at_once(app: App, tab: Any, trained: dict[str, str]) -> None:
    tab.goto(app.url)
    rest(tab)
    field = open_palette(tab)
    field.fill("alien")
    found(tab, "Alien").wait_for()  # titles are loaded
    seconds = []
    for query, answer in (("heat", "Heat"), ("godfather", "Godfather"), ("published", "Published"), ("ease", "EASE")):
        field.fill("")
        found(tab, "Overview").wait_for()
        wanted = found(tab).filter(has_text=answer)
        field.fill(query[:-1])
        tab.wait_for_timeout(600)
        start = time.perf_counter()
        field.press_sequentially(query[-1])
        tab.wait_for_function(
            f"""(query) => {{ {DEEP} const field = all("[role=combobox]").find((one) => one.getAttribute("aria-label")
                === "{PALETTE}"); return field.value === query && field.getAttribute("data-answered") === query }}""",
            arg=query, polling=5,
        )  # fmt: skip
        seconds.append(time.perf_counter() - start)
        wanted.wait_for()
    assert sorted(seconds)[1] < MAX_ANSWER_SECONDS * BUSY, seconds


def test_the_palette_opens_by_a_tap_and_switches_the_theme(app: App, browser: Any, trained: dict[str, str]) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, color_scheme="light")
    tab = context.new_page()
    tab.set_default_timeout(30_000)
    tab.goto(f"{app.url}/train")
    rest(tab)
    tab.get_by_role("button", name=PALETTE).tap()
    found(tab, "dark theme").tap()
    scheme = "() => getComputedStyle(document.documentElement).colorScheme === 'dark'"
    tab.wait_for_function(scheme)
    rest(tab)
    assert tab.url.endswith("/train")
    tab.goto(f"{app.url}/data")  # for every page
    rest(tab)
    assert tab.evaluate(scheme)
    context.close()


@pytest.mark.parametrize("address", ["/data", "/published"])
def test_back_and_forward_undo_choices_and_visits(app: App, tab: Any, trained: dict[str, str], address: str) -> None:
    tab.goto(app.url + address)
    rest(tab)
    if address == "/data":
        tab.get_by_role("tab", name="Protocol").click()
        tab.wait_for_url(re.compile("tab=Protocol"))
    else:
        tab.get_by_role("radio", name="Two models on MovieLens-20M").or_(
            tab.get_by_role("button", name="Two models on MovieLens-20M")
        ).first.click()
        tab.wait_for_url(re.compile("table=vae20m"))
    rest(tab)
    chosen, title = tab.url, tab.title()
    tab.get_by_test_id("stTopNavLink").get_by_text("Results", exact=True).click()
    tab.get_by_role("heading", name="Results", exact=True).wait_for()
    rest(tab)
    tab.go_back()
    tab.wait_for_url(chosen)
    rest(tab)
    assert tab.title() == title
    tab.go_forward()
    tab.get_by_role("heading", name="Results", exact=True).wait_for()
    rest(tab)
    assert tab.title().endswith("Results · recdash")


NOTIFICATIONS = """window.shown = []; window.Notification = class {
    static permission = "default"; static asked = 0;
    static async requestPermission() { this.asked += 1; this.permission = "granted"; return "granted" }
    constructor(title, options) { window.shown.push([title, options.body]) } };
    document.hasFocus = () => false;"""


def test_a_visitor_is_told_when_a_run_ends(app: App, tab: Any, trained: dict[str, str]) -> None:
    with app.folders():
        runs = Runs(Store(paths.store_url()))
        first = runs.running(dataset="demo", name="first <b>run</b>", seed=101)
        second = runs.running(dataset="demo", name="second run", seed=102)
    tab.add_init_script(NOTIFICATIONS)
    tab.goto(f"{app.url}/data")
    rest(tab)
    assert tab.title().startswith("(2 running) ")
    assert tab.evaluate("Notification.asked") == 0  # never without a click
    runs.store.end_run(first, runs.me, State.FINISHED, metrics={"ndcg@100": 0.4321}, runtime_s=1.0)
    message = tab.locator(".message")
    message.get_by_text("finished: NDCG@100 0.4321").wait_for()
    link = message.get_by_role("link", name="first <b>run</b>")
    assert link.get_attribute("href") == f"run?id={first}"
    assert tab.evaluate("window.shown") == []  # not allowed yet
    tab.get_by_role("button", name="Notify me when runs end").click()
    tab.get_by_text("You will be notified when runs end").wait_for()
    assert not axe_faults(tab)
    runs.store.end_run(second, runs.me, State.STOPPED)
    tab.wait_for_function("() => window.shown.length === 1")
    assert tab.evaluate("window.shown") == [["second run", "stopped"]]
    link.click()
    tab.wait_for_url(re.compile(f"/run\\?id={first}"))
    rest(tab)
    assert "running" not in tab.title()
    tab.reload()
    rest(tab)
    assert message.count() == 0  # ended before this session began
