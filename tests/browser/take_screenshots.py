"""Takes the pictures of README and docs from the real app, on whatever runs its folders hold.

python -m tests.browser.take_screenshots http://127.0.0.1:8501 docs/images [picture ...]
"""

from __future__ import annotations

import colorsys
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from recdash.runs import run_colours
from tests.browser.conftest import QUIET

FILMS = ("The Matrix (1999)", "The Godfather (1972)", "Amélie (2001)", "Alien (1979)", "Toy Story (1995)")
VIEWS = {  # name: (address, width, height, theme)
    "overview": ("/", 1440, 1120, "light"),
    "train": ("/train?model=multdae&model=multvae&seeds=1-3", 1440, 1000, "light"),
    "curves": ("/curves", 1440, 1120, "light"),
    "results": ("/results?protocol=strong", 1440, 1100, "light"),
    "recommend-start": ("/recommend", 1440, 900, "light"),
    "recommend": ("/recommend", 1440, 1180, "light"),
    "recommend-merged": ("/recommend?view=merged", 1440, 1180, "dark"),
    "recommend-map": ("/recommend?view=map", 1440, 1180, "light"),
    "data": ("/data", 1440, 1100, "light"),
    "published": ("/published", 1440, 1300, "light"),
    "recommend-dark": ("/recommend", 1440, 1180, "dark"),
    "curves-dark": ("/curves", 1440, 1120, "dark"),
    "recommend-narrow": ("/recommend", 390, 1400, "light"),
}


def main(address: str, folder: Path, wanted: list[str]) -> None:
    """Take the named pictures, or all."""
    picks = "".join(f"&pick={item_id}" for item_id in picked())
    lists = "".join(f"&list={run_id}" for run_id in ranking_runs())
    curves = "&".join(f"run={run_id}" for run_id in learned_runs())
    asked = {name: f"{picks[1:]}{lists}" for name in VIEWS if name.startswith("recommend")}
    asked |= {name: curves for name in VIEWS if name.startswith("curves")}
    asked["recommend-start"] = "dataset=demo"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        for name, (path, width, height, theme) in VIEWS.items():
            if not wanted or name in wanted:
                joint = "&" if "?" in path else "?"
                url = f"{address}{path}{joint}{asked[name]}" if name in asked else f"{address}{path}"
                take(browser, url, folder / f"{name}.png", (width, height), theme)
        browser.close()


def take(browser: Browser, url: str, path: Path, size: tuple[int, int], theme: str) -> None:
    """Open a page in a tab of its own and keep a picture of its top once it has come to rest."""
    scheme = "dark" if theme == "dark" else "light"
    tab = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore[arg-type]
    tab.goto(url)
    tab.get_by_role("heading", level=1).wait_for()
    tab.wait_for_timeout(7000)
    tab.screenshot(path=path)
    print(f"{path}: {path.stat().st_size // 1024} kB")
    tab.close()


def picked() -> list[str]:
    """The ids of the films in the pictures."""
    from recdash.services import recommend

    return [recommend.find_items("demo", title, 1)[0].id for title in FILMS]


def learned_runs() -> list[str]:
    """One finished ranking run on the demo of each model and setting, four at most, in colours easy to tell apart."""
    from recdash.services import runs

    kinds: dict[str, list[str]] = {}
    for run in runs.list_runs(active=False):
        asked = run.state == "finished" and (run.dataset, run.protocol) == ("demo", "strong")
        if asked and run.model != "svae" and (run.epochs or 1) > 1:  # whose losses are of another size
            kinds.setdefault(f"{run.model} {dict(run.settings)}", []).append(run.id)
    chosen: list[str] = []
    for alike in sorted(kinds.values(), key=len)[:4]:
        chosen.append(max(alike, key=lambda run_id: min([apart(run_id, other) for other in chosen], default=0)))
    return chosen


def apart(one: str, other: str) -> float:
    """How far two runs stand from each other on the colour wheel, at most a half."""
    gap = abs(hue_of(one) - hue_of(other))
    return min(gap, 1 - gap)


def hue_of(run_id: str) -> float:
    """The place of a run's colour on the colour wheel, from 0 to 1."""
    ink = run_colours.colour_of(run_id)
    red, green, blue = (int(ink[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return colorsys.rgb_to_hsv(red, green, blue)[0]


def ranking_runs() -> list[str]:
    """The best runs of four models that differ much."""
    from recdash.services import trained_runs

    found = {run.model: run.id for run in trained_runs.best_runs("demo") if run.protocol == "strong"}
    return [found[model] for model in ("ease", "multdae", "multvae", "recvae") if model in found]


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]), sys.argv[3:])
