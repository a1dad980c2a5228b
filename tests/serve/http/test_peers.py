from __future__ import annotations

import pytest

from zoo.errors import OptionError
from zoo.serve import Settings
from zoo.serve.http.peers import Peers, peer


def scope(client: str, *forwarded: str, server: str = "10.0.0.1") -> dict[str, object]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"client": (client, 1234), "server": (server, 8000), "headers": headers}


@pytest.mark.parametrize(
    ("address", "server", "name"),
    [
        ("192.168.1.7", "192.168.1.1", "192.168.1.7"),
        ("::ffff:192.168.1.7", "::ffff:192.168.1.1", "192.168.1.7"),
        # A network of 64 bits is one machine's, as far as can be told from outside ...
        ("2001:db8:1:2:3:4:5:6", "2001:db8:9::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "", "2001:db8:1:2::/64"),
        # ... and has many of them where the server itself stands in it.
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6"),
        ("fe80::1%eth0", "fe80::2%eth0", "fe80::1"),
        ("::1", "::1", "::1"),
        ("", "", ""),
    ],
)
def test_names_of_peers(address: str, server: str, name: str) -> None:
    assert peer(address, server) == name


def test_what_a_stranger_says_of_whom_it_speaks_for_is_not_believed() -> None:
    assert Peers().of(scope("192.0.2.1", "10.1.1.1")) == "192.0.2.1"
    assert Peers(["127.0.0.1"]).of(scope("192.0.2.1", "10.1.1.1")) == "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded", "name"),
    [
        (["192.0.2.1"], "192.0.2.1"),
        (["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        (["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
        (["6.6.6.6, 192.0.2.1, 10.0.0.9"], "192.0.2.1"),
        (["192.0.2.1:4567"], "192.0.2.1"),
        (["[2001:db8::7]:4567"], "2001:db8::/64"),
        # Nothing that could be believed: the proxy itself.
        ([], "127.0.0.1"),
        (["192.0.2.1, unknown"], "127.0.0.1"),
        (["192.0.2.1, "], "127.0.0.1"),
        (["\xff"], "127.0.0.1"),
        (["10.0.0.9"], "127.0.0.1"),
    ],
)
def test_whom_a_trusted_proxy_speaks_for(forwarded: list[str], name: str) -> None:
    assert Peers(["127.0.0.1", "10.0.0.0/8"]).of(scope("127.0.0.1", *forwarded)) == name


def test_without_an_address_all_are_one() -> None:
    assert Peers().of({"client": None, "server": None, "headers": []}) == ""


@pytest.mark.parametrize("proxy", ["", "localhost", "10.0.0.0/99", "1.2.3"])
def test_proxies_that_are_none(proxy: str) -> None:
    with pytest.raises(OptionError, match="is no IP address or network; give one such as"):
        Settings(trusted_proxies=(proxy,)).check()
