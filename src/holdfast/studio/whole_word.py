"""What a whole word in a text is, as the page has it (`wordPattern` of static/store.js)."""

from __future__ import annotations

import re


def whole_word(word: str) -> re.Pattern[str]:
    """Return a pattern of a word between anything but letters and digits."""
    return re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])")
