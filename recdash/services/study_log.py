"""What the process in the background that worked on a study reported last."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from recdash.services import tuning_studies

if TYPE_CHECKING:
    from recdash.services.tuning import Study

_TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
_TAIL = 4000  # bytes of the log that are read


def last_problem(study: Study) -> str:
    """Return the last line of a study's log, without its time; "" if a trial was queued or ended after it."""
    path = tuning_studies.path_of(study.spec.name, ".log")
    with suppress(OSError):
        moments = [moment for trial in study.trials if trial.run for moment in (trial.run.created, trial.run.finished)]
        if path.stat().st_mtime > max((moment for moment in moments if moment), default=study.spec.created):
            lines = path.read_bytes()[-_TAIL:].decode("utf-8", "replace").strip().splitlines()
            return _TIME.sub("", lines[-1].strip()) if lines else ""
    return ""
