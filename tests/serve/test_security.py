"""Who is answered, and what an address has to be."""

from __future__ import annotations

import contextlib
import hmac
import http.client
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zoo.errors import OptionError
from zoo.serve import Settings, page
from zoo.serve.answers import HEADERS
from zoo.serve.security import OPEN_PATHS
from zoo.serve.tokens import FREE

if TYPE_CHECKING:
    from tests.serve.conftest import Serving, Site

MACHINE = socket.gethostname().lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "192.168.1.7:8000", "[::1]:8000", "[fe80::1]", MACHINE]
)
def test_own_names(site: Site, host: str) -> None:
    assert site.get("/v1/model", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "evil@example", "[::1", "", "2130706433"]
)
def test_other_names(site: Site, host: str) -> None:
    for path in ("/", "/v1/model", "/healthz"):
        reply = site.get(path, Host=host)
        assert reply.status == 403
        assert "--allow-host" in reply.error
        assert "None" not in reply.error


def test_a_name_that_is_allowed(serving: Serving) -> None:
    with serving(allow_hosts=("Camera.example",)) as site:
        assert site.get("/v1/model", Host="camera.example:8000").status == 200
        assert site.get("/v1/model", Host="example").status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost", "http://localhost:80", "file://", "x", "http://[::1"]
)
def test_pages_elsewhere(site: Site, origin: str) -> None:
    for method, path in (("POST", "/v1/classify"), ("GET", "/v1/model"), ("OPTIONS", "/v1/classify")):
        reply = site.ask(method, path, headers={"Host": "localhost:8000", "Origin": origin})
        assert reply.status == 403
        assert "are not answered" in reply.error
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "cam.lan", "cam.lan:9080", "cam.lan:80"])
@pytest.mark.parametrize("origin", ["http://cam.lan:9080", "https://cam.lan", "http://CAM.LAN"])
def test_the_page_behind_a_proxy_whatever_host_that_passes_on(behind: Site, host: str, origin: str) -> None:
    assert behind.get("/v1/model", Host=host, Origin=origin).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://cam.lan.evil.example", "ftp://cam.lan", "null"])
def test_other_pages_are_not_answered_behind_a_proxy_either(behind: Site, origin: str) -> None:
    for host in ("127.0.0.1:8000", "cam.lan"):
        reply = behind.get("/v1/model", Host=host, Origin=origin)
        assert reply.status == 403
        assert "are not answered" in reply.error
    assert "--allow-host evil.example" in behind.get("/v1/model", Origin="http://evil.example").error


@pytest.fixture(scope="module")
def behind(serving: Serving) -> Iterator[Site]:
    """A server that is told the name of the proxy before it, and its address."""
    with serving(allow_hosts=("cam.lan",), trusted_proxies=("127.0.0.1",)) as site:
        yield site


def test_a_name_with_a_port_allows_pages_of_that_port_alone(serving: Serving) -> None:
    with serving(allow_hosts=("cam.lan:9080", "[fd00::7]:9080")) as site:
        for origin, status in [
            ("http://cam.lan:9080", 200),
            ("http://cam.lan:3000", 403),
            ("http://cam.lan", 403),
            ("http://[fd00::7]:9080", 200),
            ("http://[fd00::7]:3000", 403),
        ]:
            assert site.get("/v1/model", Host="127.0.0.1:8000", Origin=origin).status == status, origin


def test_the_default_port_may_be_named_or_not(site: Site) -> None:
    for origin, host in [
        ("https://localhost", "localhost:443"),
        ("http://localhost:80", "localhost"),
        ("http://localhost", "localhost:80"),
    ]:
        assert site.get("/v1/model", Host=host, Origin=origin).status == 200
    assert site.get("/v1/model", Host="localhost:443", Origin="http://localhost").status == 403


def test_what_a_trusted_proxy_was_asked_for_counts_and_nobody_elses_word(behind: Site, site: Site) -> None:
    page = {"Host": "127.0.0.1:8000", "Origin": "http://192.168.1.5:9080", "X-Forwarded-Host": "192.168.1.5:9080"}
    assert behind.get("/v1/model", **page).status == 200
    assert behind.get("/v1/model", **{**page, "X-Forwarded-Host": "evil.example, 192.168.1.5:9080"}).status == 200
    assert behind.get("/v1/model", **{**page, "X-Forwarded-Host": "192.168.1.5:9080, other"}).status == 403
    # A name that was made to point to the proxy is none of the server's.
    rebound = {"Host": "127.0.0.1:8000", "Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"}
    assert "is not 'evil.example'" in behind.get("/v1/model", **rebound).error
    assert site.get("/v1/model", **page).status == 403


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("https://cam.lan/", "give cam.lan"),
        ("*.lan", "give a name such as"),
        ("", "give a name"),
        ("cam.lan/x", "give a name"),
        ("cam.lan:port", "give a name"),
        ("two names", "give a name"),
    ],
)
def test_names_that_are_none_are_refused_at_the_start(name: str, advice: str) -> None:
    with pytest.raises(OptionError, match=f"the allowed host .* is no name of a host: {advice}"):
        Settings(allow_hosts=(name,)).check()


def test_its_own_page(site: Site) -> None:
    for host in ("localhost:8000", "Localhost", "192.168.1.7", "[::1]:8000"):
        # A browser writes both in lower case, other clients need not.
        assert site.get("/v1/model", Host=host, Origin=f"http://{host.lower()}").status == 200
        assert site.get("/v1/model", Host=host, Origin=f"https://{host}").status == 200


def test_headers_of_every_answer(site: Site) -> None:
    replies = [site.get(path) for path in ("/", "/page.js", "/v1/model", "/nothing", "/v1/classify")]
    replies.append(site.get("/", Host="evil.example"))
    for reply in replies:
        for name, value in HEADERS.items():
            assert reply.headers[name.lower()] == value
        assert "server" not in reply.headers
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_asks_no_one_else(site: Site) -> None:
    for path in page.FILES:
        text = site.get(path).body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text
        assert "@import" not in text
        assert "innerHTML" not in text


TOKEN = "a-long-enough-token"


def test_the_token(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    compare = hmac.compare_digest

    def watch(a: Any, b: Any) -> bool:
        compared.append((a, b))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    with serving(token=TOKEN) as site:
        wrong = ("", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"bearer {TOKEN}", TOKEN, "Bearer \xe9")
        for path in ("/v1/model", "/metrics", "/v1/classify", "/nothing"):
            for given in wrong:
                reply = site.get(path, Authorization=given)
                assert reply.status == 401
                assert reply.headers["www-authenticate"] == "Bearer"
                assert TOKEN not in reply.error
            assert site.get(path).status == 401
            assert site.get(f"{path}?token={TOKEN}").status == 401
        # In constant time, not with ==.
        assert len(compared) == 4 * (len(wrong) + 2)
        assert site.get("/v1/model", Authorization=f"Bearer {TOKEN}").status == 200
        for path in OPEN_PATHS:
            assert site.get(path).status == 200
        document = site.get("/openapi.json").json
        assert document["paths"]["/v1/classify"]["post"]["security"] == [{"token": []}]
        assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    Settings(host=host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7"])
def test_other_machines_do(host: str) -> None:
    with pytest.raises(OptionError, match="is open to other machines: give --token SECRET, or --insecure"):
        Settings(host=host).check()
    Settings(host=host, token=TOKEN).check()
    Settings(host=host, insecure=True).check()


def test_a_token_and_insecure_contradict_each_other() -> None:
    with pytest.raises(OptionError, match="leave out --insecure, or --token and the variable EDGEZOO_TOKEN"):
        Settings(token=TOKEN, insecure=True).check()


@pytest.mark.parametrize("token", ["", "short", "with a space", "with-a-\n-line", "passwörter"])
def test_tokens_that_are_none(token: str) -> None:
    with pytest.raises(OptionError, match="the token has to be 8 or more letters"):
        Settings(token=token).check()


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(Settings(token=TOKEN))


def test_addresses_that_are_none() -> None:
    for host in ("", "no.such.host.invalid", "1.2.3.4.5", "x" * 300):
        with pytest.raises(OptionError, match="is no name or address of this machine"):
            Settings(host=host).check()
    with pytest.raises(OptionError, match=r"cannot listen on 192\.0\.2\.1 port 8000: .*; try another --port"):
        Settings(host="192.0.2.1", insecure=True).bind()


def test_answers_are_not_held_back() -> None:
    # asyncio turns Nagle's algorithm off for sockets that say they are TCP, and for no others.
    with Settings(port=0).bind() as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"port {port}: Address already in use; try another --port"):
            Settings(port=port).bind()


def test_addresses_of_the_page() -> None:
    assert Settings().url(8000) == "http://127.0.0.1:8000/"
    assert Settings(host="::1").url(8000) == "http://[::1]:8000/"
    assert Settings(host="0.0.0.0").url(80) == f"http://{socket.gethostname()}:80/"


def test_https(serving: Serving, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with serving(certificate=cert, key=key) as site:
        context = ssl.create_default_context(cafile=cert)
        with urllib.request.urlopen(f"https://localhost:{site.port}/healthz", context=context) as reply:
            assert reply.status == 200
        assert site.api.settings.url(1).startswith("https://")


def test_certificates_that_are_none(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    Settings(certificate=cert, key=key).check()
    text = tmp_path / "text.pem"
    text.write_text("nothing")
    for settings in (
        Settings(certificate=text),
        Settings(certificate=tmp_path / "none.pem"),
        Settings(certificate=cert),
        Settings(certificate=cert, key=text),
    ):
        with pytest.raises(OptionError, match="cannot use certificate"):
            settings.check()
    with pytest.raises(OptionError, match="a key needs its certificate: give --tls-cert FILE"):
        Settings(key=key).check()
    locked = tmp_path / "locked.pem"
    subprocess.run(["openssl", "rsa", "-aes128", "-passout", "pass:xyzw", "-in", key, "-out", locked], check=True)
    with pytest.raises(OptionError, match="the key is encrypted"):
        Settings(certificate=cert, key=locked).check()


def guess(site: Site, token: str, source: str, **headers: str) -> tuple[int, str | None]:
    """The status of an answer to a token, and when to try again."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60, source_address=(source, 0))
    with contextlib.closing(connection):
        connection.request("GET", "/v1/model", headers={"Authorization": f"Bearer {token}", **headers})
        response = connection.getresponse()
        return response.status, response.getheader("Retry-After")


def test_who_tries_many_tokens_is_slowed_and_nobody_else(serving: Serving) -> None:
    with serving(token=TOKEN) as site:
        statuses = [guess(site, f"wrong-{i}", "127.0.0.2")[0] for i in range(FREE + 10)]
        assert statuses[:FREE] == [401] * FREE
        assert set(statuses[FREE:]) <= {429, 401}
        assert statuses.count(429) >= 5
        # The right one tells him nothing now.
        status, again = guess(site, TOKEN, "127.0.0.2")
        assert status == 429
        assert 1 <= int(again or 0) <= 10
        assert guess(site, TOKEN, "127.0.0.3") == (200, None)
        # The page, and those without a token, are answered as ever.
        assert site.get("/").status == 200
        assert site.get("/v1/model").status == 401


def test_behind_a_proxy_each_client_has_its_own_tries(serving: Serving) -> None:
    with serving(token=TOKEN, trusted_proxies=("127.0.0.2",)) as site:
        hostile = {"X-Forwarded-For": "6.6.6.6, 192.0.2.66"}
        for i in range(FREE + 5):
            guess(site, f"wrong-{i}", "127.0.0.2", **hostile)
        assert guess(site, TOKEN, "127.0.0.2", **hostile)[0] == 429
        assert guess(site, TOKEN, "127.0.0.2", **{"X-Forwarded-For": "192.0.2.66, 192.0.2.7"})[0] == 200
        # Who is no proxy cannot speak for others, nor hide behind them.
        for i in range(FREE + 5):
            guess(site, f"wrong-{i}", "127.0.0.4", **{"X-Forwarded-For": f"192.0.2.{i}"})
        assert guess(site, TOKEN, "127.0.0.4", **{"X-Forwarded-For": "192.0.2.200"})[0] == 429
