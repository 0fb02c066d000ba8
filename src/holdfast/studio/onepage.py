"""One HTML file from a page of the Studio, its styles and its modules: it opens anywhere, from a disk and offline.

Each module becomes one function in a single script, run in the order of the imports; what it exports is what the next
ones get. The page's modules use named imports and exports alone, so that no more than that needs to be understood here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError

STATIC = Path(__file__).parent / "static"
IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"\./([\w-]+\.js)";[ \t]*$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?function\*? (\w+)|(?:const|let|class) (\w+))", re.MULTILINE)
UNKNOWN = re.compile(r"^(import|export)\b.*$", re.MULTILINE)
STYLE = re.compile(r'<link rel="stylesheet" href="(?:static/)?([\w-]+\.css)">')
SCRIPT = re.compile(r'<script type="module" src="(?:static/)?([\w-]+\.js)"></script>')


def one_page(page: Path, data: Mapping[str, Any] | None = None) -> str:
    """Return the text of a page with its style sheets, its modules and some data inside it.

    Args:
        page: An HTML file beside the style sheets and modules that it names.
        data: JSON values by the id of the `<script type="application/json">` that will hold them.

    Raises:
        ConfigError: a module imports or exports in a way that cannot be put into one file, or in a circle.
    """
    folder = page.parent
    text = page.read_text(encoding="utf-8")
    text = STYLE.sub(lambda found: f"<style>\n{read(folder, found[1])}</style>", text)
    held = "".join(
        f'<script type="application/json" id="{name}">{escaped(value)}</script>\n'
        for name, value in (data or {}).items()
    )
    script = SCRIPT.search(text)
    if script is None:
        return text.replace("</head>", f"{held}</head>")
    code = one_script(folder, script[1]).replace("</script", r"<\/script")
    # After the body: nothing waits for a script that stands in the page, and the modules look for its elements.
    text = SCRIPT.sub("", text, count=1)
    return text.replace("</body>", f'{held}<script type="module">\n{code}</script>\n</body>')


def one_script(folder: Path, first: str) -> str:
    """Return one script that runs a module and all that it imports, each once and after what it needs."""
    done: dict[str, str] = {}
    add_module(folder, first, done, ())
    return "const modules = {};\n" + "".join(done.values())


def add_module(folder: Path, name: str, done: dict[str, str], waiting: tuple[str, ...]) -> None:
    """Add a module to `done` after the modules that it imports; `waiting` are those that led here."""
    if name in done:
        return
    if name in waiting:
        raise ConfigError(f"the modules {' -> '.join((*waiting, name))} import each other: break the circle")
    code = read(folder, name)
    for found in IMPORT.finditer(code):
        add_module(folder, found[2], done, (*waiting, name))
    exported = [function or value for function, value in EXPORT.findall(code)]
    body = EXPORT.sub("", IMPORT.sub(taken, code))
    odd = UNKNOWN.search(body)
    if odd:
        raise ConfigError(f"{name}: {odd[0]!r} cannot be put into one file; use named imports and exports")
    done[name] = f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {", ".join(exported)} }};\n}})();\n'


def taken(found: re.Match[str]) -> str:
    """The import statement as one that takes its names from the modules before."""
    names = [name.strip() for name in found[1].split(",")]
    return f'const {{ {", ".join(name.replace(" as ", ": ") for name in names if name)} }} = modules["{found[2]}"];'


def read(folder: Path, name: str) -> str:
    """Return the text of a file beside the page.

    Raises:
        ConfigError: there is none.
    """
    path = folder / name
    if not path.is_file():
        raise ConfigError(f"{path} is named by the page or one of its modules, but does not exist")
    return path.read_text(encoding="utf-8")


def escaped(value: Any) -> str:
    """A JSON value that cannot end the script element that holds it."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
