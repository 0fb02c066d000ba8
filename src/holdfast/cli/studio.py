"""`holdfast studio`: the web page that shows what a model did, on this machine alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class StudioCommand:
    """Show a trained network from the inside, in the browser: its gates, its memory, its gradients, and the game.

    Without a model it opens the LSTM, GRU and RNN of the long-memory demo, which come with the package. The page is
    served to this machine alone, at an address that is printed. Ctrl-C ends it.
    """

    models: tyro.conf.Positional[
        Annotated[tuple[Path, ...], tyro.conf.arg(help_behavior_hint="(default: those of the demo)")]
    ] = ()
    """Folders of saved models, of any task."""
    port: int | None = None
    """Where to listen. Without it 8765, or a free port where that is taken; 0 takes a free one."""
    no_browser: bool = False
    """Print the address only, and do not open it."""


def run(config: StudioCommand) -> int:
    """Serve until Ctrl-C, which is the ordinary end."""
    from holdfast.studio.server import serve

    try:
        serve(config.models, config.port, browser=not config.no_browser)
    except KeyboardInterrupt:
        print("\nThe Studio has ended.")
    return 0
