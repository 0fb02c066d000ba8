"""Nobody but the Studio's own page, on this machine, gets an answer; and nothing but its own files is given out."""

from __future__ import annotations

import http.client
import json
from types import SimpleNamespace

import httpx
import pytest

from holdfast.studio import server
from holdfast.studio.gradient_runs import GradientRuns
from holdfast.studio.pages import page_file
from holdfast.studio.problem import Problem
from holdfast.studio.security import HEADERS, MOST_BODY, Gate

PATHS = ["/", "/static/app.js", "/api/1/models", "/api/1/trace/0/maps", "/nothing"]


def raw(studio, method, path, headers, body=b""):
    """Ask exactly this path with exactly these headers, which no client mends; return status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", int(studio.base.rsplit(":", 1)[1]), timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.fixture
def own(studio, client):
    """The headers of the page itself."""
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return {"host": studio.base.removeprefix("http://"), "origin": studio.base, "cookie": cookie}


@pytest.mark.parametrize("path", PATHS)
def test_without_the_cookie_nothing_is_answered(studio, path):
    answer = httpx.get(studio.base + path)
    assert answer.status_code == 403
    assert "holdfast studio" in answer.json()["hint"]


def test_a_browser_without_the_cookie_is_told_in_words(studio):
    answer = httpx.get(studio.base, headers={"accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "holds the token" in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize("token", ["", "wrong", "%00", "é"])
def test_wrong_token_gives_no_cookie(studio, token):
    answer = httpx.get(f"{studio.base}/?token={token}")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_token_is_swapped_for_a_strict_cookie_that_is_not_the_token(studio):
    answer = httpx.get(studio.address)
    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    token = studio.address.split("token=")[1]
    assert len(token) >= 43  # 256 bits
    assert token not in cookie
    stranger = httpx.get(studio.base, headers={"cookie": f"{cookie.split('=')[0]}={token}"})
    assert stranger.status_code == 403


@pytest.mark.parametrize(
    "others", ['theme={"a": "b"}', "user=John Smith", "x=\xe4", 'quoted="a', "holdfast_studio_8765=old", "=;;"]
)
def test_cookies_of_other_servers_do_not_lock_the_reader_out(others):
    gate = Gate(8765)
    headers = {"host": "127.0.0.1:8765", "cookie": f"{others}; {gate.cookie}={gate.pass_key}; last={{}}"}
    gate.check("GET", headers)
    with pytest.raises(Problem, match="not been let in"):
        gate.check("GET", headers | {"cookie": f"{others}; not_{gate.cookie}={gate.pass_key}"})


@pytest.mark.parametrize("query", ["xtoken=1", "a=token=1", "a=1&xtoken=", "%20token=1"])
def test_only_a_field_named_token_stands_for_the_cookie(studio, query):
    assert httpx.get(f"{studio.base}/?{query}").status_code == 403


def test_printed_token_is_good_again_and_the_browsers_own_once():
    gate = Gate(8765)
    token = gate.address_once().split("token=")[1]
    assert token != gate.token
    assert [gate.admits(token), gate.admits(token)] == [True, False]
    assert [gate.admits(gate.token), gate.admits(gate.token), gate.admits("é")] == [True, True, False]


def test_the_browser_is_opened_with_a_token_that_is_good_once(monkeypatch, capsys):
    import uvicorn

    opened = []
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    server.serve(port=0)
    printed = capsys.readouterr().out.splitlines()[-1]
    assert opened[0].split("token=")[0] == printed.split("token=")[0]
    assert opened[0] != printed


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", ""])
@pytest.mark.parametrize("path", ["/", "/api/1/models", "/?token={token}"])
def test_other_host_names_are_refused(studio, own, host, path):
    port, token = studio.base.rsplit(":", 1)[1], studio.address.split("token=")[1]
    headers = {**own, "host": host.format(port=port)}
    status, answered, _ = raw(studio, "GET", path.format(token=token), headers)
    assert status == 403
    assert "set-cookie" not in {name.lower() for name in answered}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "", None])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_changes_something_must_come_from_the_page(studio, own, origin, method):
    headers = {name: value for name, value in own.items() if name != "origin"}
    if origin is not None:
        headers["origin"] = origin
    body = json.dumps({"model": "lstm", "text": "I grew up"}).encode()
    status, _, content = raw(studio, method, "/api/1/trace", {**headers, "content-type": "application/json"}, body)
    assert status == 403
    assert b"own page" in content


def test_page_itself_is_answered(studio, own):
    assert raw(studio, "GET", "/api/1/models", own)[0] == 200
    named = {**own, "host": own["host"].replace("127.0.0.1", "localhost")}
    assert raw(studio, "GET", "/api/1/models", named)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../studio.py",
        "/static/..%2fstudio.py",
        "/static/%2e%2e/studio.py",
        "/static/..%5cstudio.py",
        "/static/%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/",
        "/static/tours",
        "/static/tours/",
        "/static/.hidden.js",
        "/static/app.js%00.js",
        "/static/app.py",
        "/tours/../app.js",
        "/tours/..%2fapp.js",
        "/static/a/b/c/d/e.js",
        "/static/" + "a" * 300 + ".js",
    ],
)
def test_no_trick_leaves_the_folder_or_lists_it(studio, own, path):
    status, _, content = raw(studio, "GET", path, own)
    assert status == 404
    assert json.loads(content)["status"] == 404


def test_links_are_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.js").write_text("1")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "link.js").symlink_to(tmp_path / "real" / "a.js")
    assert page_file("real/a.js", tmp_path)[0] == b"1"
    for name in ("linked/a.js", "link.js"):
        with pytest.raises(Problem, match="no such file"):
            page_file(name, tmp_path)


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/1/models", "/nothing", "/?token=wrong"])
def test_every_answer_carries_the_policy(studio, own, path):
    for headers in (own, {"host": own["host"]}):
        answered = {name.lower(): value for name, value in raw(studio, "GET", path, headers)[1].items()}
        for name, value in HEADERS:
            assert answered[name.decode()] == value.decode()
        assert "server" not in answered
        assert "access-control-allow-origin" not in answered


def test_a_megabyte_is_refused_with_its_limit(client):
    answer = client.post("/api/1/trace", json={"model": "lstm", "text": "word " * 250_000})
    assert answer.status_code == 413
    assert answer.json()["limit"] == MOST_BODY
    assert "1 MB" in answer.json()["detail"]
    assert "20000 words" in answer.json()["hint"]
    shorter = client.post("/api/1/trace", json={"model": "lstm", "text": "word " * 30_000}).json()
    assert "30000 steps" in shorter["detail"]
    assert "1 MB" in shorter["hint"]


def test_body_without_a_length_is_bounded_too(client):
    def parts():
        for _ in range(40):
            yield b"x" * 50_000

    answer = client.post("/api/1/trace", content=parts(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"model": "lstm", "text": "a"}', "text/plain", 415),
        (b'{"model": "lstm", "text": "a"}', "application/x-www-form-urlencoded", 415),
        (b'{"model": {"a": 1}, "text": "a"}', "application/json", 404),
        (b'{"model": "lstm", "text": "\\ud800"}', "application/json", 200),
        (b'{"model": "lstm", "text": "a", "clamps": [{"unit": 1e9}]}', "application/json", 400),
    ],
)
def test_broken_bodies_are_told_apart(client, content, kind, status):
    answer = client.post("/api/1/trace", content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    answer.json()


@pytest.mark.parametrize(
    "clamps",
    [
        5,
        [1],
        {"gate": "f"},
        [{"unit": 1, "value": 0}],
        [{"gate": 1, "unit": 1, "value": 0}],
        [{"gate": "f", "unit": "x"}],
    ],
)
def test_broken_clamps_are_refused(client, clamps):
    for path, body in (("complete", {"models": ["lstm"]}), ("trace", {"model": "lstm"})):
        answer = client.post(f"/api/1/{path}", json={**body, "text": "I grew up", "clamps": clamps})
        assert answer.status_code == 400, answer.text


def test_unit_of_a_clamp_may_be_a_number_as_text(client):
    clamps = [{"gate": "f", "unit": "1", "value": 0}]
    trace = client.post("/api/1/trace", json={"model": "lstm", "text": "I grew up", "clamps": clamps}).json()
    frame = client.get(f"/api/1/trace/{trace['id']}/frames?unit=1").json()["frames"][0]
    assert frame["gates"]["f"] == 0


def test_a_setting_beyond_all_numbers_is_refused(client):
    assert client.post("/api/1/gradient", json={"length": 10**400}).status_code == 422


def test_a_run_of_a_strange_name_is_not_found():
    runs = GradientRuns()
    runs._run = SimpleNamespace(id="a")
    assert runs.find("é") is None
    assert runs.find("a") is runs._run


@pytest.mark.parametrize("state", ["l=²", "l=" + "1" * 5000, "u=1&l=x", "u=²", "l=1.5&u=-1"])
def test_a_broken_fragment_is_read_as_none(client, state):
    trace = client.post("/api/1/trace", json={"model": "rnn", "text": "I grew up"}).json()["id"]
    for kind in ("csv", "html"):
        answer = client.post("/api/1/export", json={"kind": kind, "trace": trace, "state": state})
        assert answer.status_code == 200, answer.text


def test_other_methods_are_refused(client):
    assert client.put("/api/1/models").status_code == 405
    assert client.delete("/api/1/models").status_code == 405


def test_script_as_a_word_stays_text(page, studio, client):
    text = "I grew up in <script>document.title='broken'</script> <img src=x onerror=alert(1)> So I speak fluent"
    tokens = client.post("/api/1/trace", json={"model": "lstm", "text": text}).json()["tokens"]
    assert "<script>" in [token[0] for token in tokens]
    page.goto(studio.url())
    page.wait_for_selector("#reader textarea, textarea", state="attached")
    before = page.title(), page.locator("script").count(), page.locator("img").count()
    page.evaluate(
        """(text) => {
          const field = document.querySelector("#reader textarea, textarea");
          field.value = text;
          field.dispatchEvent(new Event("input", { bubbles: true }));
          field.dispatchEvent(new Event("change", { bubbles: true }));
        }""",
        text,
    )
    page.wait_for_timeout(1500)
    assert (page.title(), page.locator("script").count(), page.locator("img").count()) == before
    assert "<script>" in page.locator("body").inner_text()
