"""Pages of several files become one."""

from __future__ import annotations

import pytest

from holdfast.errors import ConfigError
from holdfast.studio.onepage import one_page, one_script


def write(folder, **files: str):
    for name, text in files.items():
        stem, kind = name.rsplit("_", 1)
        (folder / f"{stem}.{kind}").write_text(text, encoding="utf-8")


def test_modules_come_once_and_after_what_they_import(tmp_path):
    write(
        tmp_path,
        a_js='import { two as other, make } from "./b.js";\nimport {\n  one,\n} from "./c.js";\nmake(other, one);\n',
        b_js='import { one } from "./c.js";\nexport const two = one + 1;\nexport async function make() {}\n',
        c_js="export const one = 1;\nexport class Thing {}\n",
    )
    script = one_script(tmp_path, "a.js")
    order = [script.index(f'modules["{name}.js"] = ') for name in "cba"]
    assert order == sorted(order)
    assert script.count("const one = 1;") == 1
    assert 'const { two: other, make } = modules["b.js"];' in script
    assert "return { two, make };" in script
    assert "return { one, Thing };" in script


def test_data_cannot_end_its_script(tmp_path):
    write(
        tmp_path,
        p_html='<link rel="stylesheet" href="s.css">\n<script type="module" src="a.js"></script><body></body>\n',
        s_css="b { color: red }",
        a_js='const end = "</script>";\n',
    )
    text = one_page(tmp_path / "p.html", {"data": ["</script><b>"]})
    assert text.count("</script>") == 2
    assert '["\\u003c/script>\\u003cb>"]' in text
    assert "<style>\nb { color: red }</style>" in text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a_js": 'import "./b.js";\n'}, "cannot be put into one file"),
        ({"a_js": "export default 1;\n"}, "cannot be put into one file"),
        ({"a_js": 'import { x } from "./b.js";\n'}, "does not exist"),
        ({"a_js": 'import { x } from "./b.js";\n', "b_js": 'import { y } from "./a.js";\n'}, "a.js -> b.js -> a.js"),
    ],
)
def test_what_cannot_be_one_file_is_refused(tmp_path, files, message):
    write(tmp_path, **files)
    with pytest.raises(ConfigError, match=message):
        one_script(tmp_path, "a.js")
