"""Who is let in, and who is not."""

import pytest

MOST = 200_000


def test_the_token_is_exchanged_once_for_a_cookie(guard, stranger):
    token = guard.token
    answer = stranger.get(f"/?token={token}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert token not in cookie
    assert stranger.get("/api/about").status_code == 200
    stranger.cookies.clear()
    assert stranger.get(f"/?token={token}", follow_redirects=False).status_code == 403


def test_who_was_let_in_may_open_the_address_again(guard, client):
    assert client.get("/?token=used", follow_redirects=False).status_code == 303


@pytest.mark.parametrize("path", ["/", "/api/about", "/api/files", "/api/openapi.json", "/assets/index.js", "/nothing"])
def test_nothing_is_told_to_strangers(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "Open the address" in answer.text
    assert (answer.headers["content-type"] == "application/json") == path.startswith("/api")


@pytest.mark.parametrize("token", ["", "wrong", "ü", "a" * 5000])
def test_wrong_tokens(stranger, token):
    assert stranger.get("/", params={"token": token}, follow_redirects=False).status_code == 403
    assert stranger.get("/api/about").status_code == 403


@pytest.mark.parametrize("cookie", ["pondera-8000=wrong", "pondera-8000=", "a" * 4000, "=;=;\x7f", "pondera-8001=x"])
def test_wrong_cookies(stranger, cookie):
    assert stranger.get("/api/about", headers={"cookie": cookie}).status_code == 403


@pytest.mark.parametrize("other", ['a={"x": 1}', "a=b=c;;", "ü", '"', "a b=c", "[x]=1", "a=1,2"])
def test_cookies_of_other_servers_of_this_machine_shut_nobody_out(guard, client, other):
    """Browsers send them along, for cookies know no ports."""
    own = f"{guard.cookie}={client.cookies[guard.cookie]}"
    for cookie in (f"{other}; {own}", f"{own}; {other}"):
        assert client.get("/api/about", headers={"cookie": cookie.encode()}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "localhost.evil:8000"]
)
def test_names_that_were_made_to_point_here_are_refused(client, host):
    assert client.get("/api/about", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
def test_names_of_this_machine(client, guard, host):
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    assert client.get("/api/about", headers={"host": host, "cookie": cookie}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8001"},
        {"origin": "https://127.0.0.1:8000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_other_pages_change_nothing(client, folder, headers):
    answer = client.put("/api/upload?name=x.csv", content=b"a,b\n1,2\n", headers=headers)
    assert answer.status_code == 403
    assert not (folder / "x.csv").exists()


def test_other_origins_read_nothing(client):
    assert client.get("/api/files", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/api/files", headers={"origin": "http://127.0.0.1:8000"}).status_code == 200


@pytest.mark.parametrize("path", ["/api/about", "/nothing", "/api/table?file=nothing"])
def test_every_answer_says_what_it_may_do(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


def test_bodies_that_say_they_are_too_large(client, folder):
    answer = client.put("/api/upload?name=x.csv", content=b"1\n" * MOST)
    assert answer.status_code == 413
    assert client.post("/api/training", content=b" " * (2 << 20)).status_code == 413
    assert sorted(path.name for path in folder.iterdir()) == ["signs.csv", "weights.safetensors"]


def test_bodies_that_do_not_say_how_large_they_are(client, folder):
    def endless():
        for _ in range(100):
            yield b"1\n" * 10_000

    assert client.put("/api/upload?name=x.csv", content=endless()).status_code == 413
    assert sorted(path.name for path in folder.iterdir()) == ["signs.csv", "weights.safetensors"]


@pytest.mark.parametrize("site", ["same-site", "cross-site", "unheard of"])
def test_pages_of_other_ports_ask_nothing(client, site):
    """Of some questions a process begins."""
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
    assert client.get("/api/timeline?folder=.", headers=headers).status_code == 403
    assert client.get("/api/about", headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code != 403  # an address may be followed to the first page


def test_what_is_typed_and_what_the_page_asks(client):
    for site in ("none", "same-origin"):
        assert client.get("/api/about", headers={"sec-fetch-site": site}).status_code == 200


def test_a_body_that_is_no_upload_and_does_not_say_how_large_it_is(client):
    def endless():
        for _ in range(30):
            yield b" " * 100_000

    answer = client.post("/api/training", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "at most" in answer.json()["error"]


@pytest.mark.parametrize("length", ["²", "-1", "x", "1e3", "99999999999999999999"])
def test_lengths_that_are_none(client, length):
    answer = client.post("/api/training", content=b"{}", headers={"content-length": length.encode("latin1")})
    assert answer.status_code == 413
