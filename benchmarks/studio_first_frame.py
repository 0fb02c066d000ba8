"""Record the frame that the Studio's page draws before its model is loaded.

python -m benchmarks.studio_first_frame

writes src/holdfast/studio/static/first-frame.json from the shipped LSTM and the page's first text: unit 29 at the key
word, which it writes, keeps to the end, hides and then says. Run it again after the models or the text have changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from holdfast.studio.pages import STATIC
from holdfast.studio.studio import KEY, TEXT
from holdfast.studio.subject import shipped

MODEL, UNIT, TOP = "lstm", 29, 8
PATH = STATIC / "first-frame.json"


def first_frame() -> dict[str, Any]:
    """Return what the page needs to draw its first picture: model, text, tokens and one frame."""
    subject = next(one for one in shipped() if one.id == MODEL)
    run = subject.run(subject.read(text=TEXT))
    t = run.reading.labels.index(KEY)
    frame = {**run.frame(0, "forward", t, UNIT), "tok": KEY, "top": run.top(t, TOP)}
    hidden = subject.description.places[0].hidden
    return {"model": MODEL, "text": TEXT, "T": len(run), "hidden": hidden, "frame": frame}


def main() -> None:
    Path(PATH).write_text(json.dumps(first_frame(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
