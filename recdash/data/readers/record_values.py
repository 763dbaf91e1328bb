"""Values of JSON records as text; MongoDB's extended JSON is unwrapped."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

_MONGODB_TYPES = frozenset(("$oid", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal", "$date"))
_EPOCH = datetime(1970, 1, 1)


def unwrap_mongodb(value: Any) -> Any:
    """Unwrap a value from MongoDB's extended JSON, such as {"$oid": "5f"}; other values stay unchanged."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    kind, inner = next(iter(value.items()))
    if kind not in _MONGODB_TYPES:
        return value
    inner = unwrap_mongodb(inner)
    return _mongodb_date(inner) if kind == "$date" else inner


def _mongodb_date(value: Any) -> Any:
    """Convert milliseconds to an ISO date, as a column may mix both."""
    if not isinstance(value, str) or not re.fullmatch(r"-?\d+", value):
        return value
    try:
        return (_EPOCH + timedelta(milliseconds=int(value))).isoformat() + "Z"
    except OverflowError:
        return value


def to_text(value: Any) -> str:
    """Return a plain value as text; None is empty."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def preview_text(value: Any) -> str:
    """Return any value as text."""
    return to_text(unwrap_mongodb(value))
