"""Proxies that the environment names: which one, and what is wrong with it."""

import socket

import httpx
import pytest

from universe_pipeline.adapters.polygon.proxies import proxy_to, require_passage
from universe_pipeline.domain.errors import SettingsError
from universe_pipeline_tests.support.scripted_vendor import ScriptedVendor

VENDOR = httpx.URL("https://vendor.example")
SCHEMES = ("https", "http", "all", "no")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in SCHEMES:
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_PROXY".upper(), raising=False)


def _pass(seconds: float = 10.0) -> None:
    proxy = proxy_to(VENDOR)
    assert proxy is not None
    require_passage(proxy, VENDOR, seconds)


def refusal(seconds: float = 10.0) -> str:
    with pytest.raises(SettingsError) as refused:
        _pass(seconds)
    (line,) = str(refused.value).splitlines()
    assert "pass-word" not in line
    return line


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "address",
    [
        "ftp://me:pass-word@proxy.example",
        "socks5://me:pass-word@proxy.example:1080",
        "socks5h://proxy.example",
        "http://[::1",
        "http://me:pass-word@proxy.example:port",
        "http://proxy.example:99999",
        "http://proxy.example:0",
        "http://",
        "//proxy.example",
        "http://pro xy.example",
        "http://me:pass-wörd@proxy.example",  # pragma: allowlist secret
    ],
)
def test_an_address_of_no_proxy_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    monkeypatch.setenv(variable, address)

    assert refusal().startswith(f"{variable} in the environment is not the http:// or https://")


def test_no_proxy_and_a_variable_for_plain_http_matter_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy.example")
    assert proxy_to(VENDOR) is None

    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example")
    monkeypatch.setenv("NO_PROXY", "vendor.example")
    assert proxy_to(VENDOR) is None
    assert proxy_to(httpx.URL("https://127.0.0.1:1")) is None


def test_an_address_without_a_scheme_is_one_of_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "me:pass-word@proxy.example:8080")

    proxy = proxy_to(VENDOR)

    assert str(proxy) == "the proxy proxy.example:8080 (HTTPS_PROXY)"
    assert "pass-word" not in repr(proxy)


@pytest.mark.parametrize(
    ("login", "status", "says"),
    [
        ("", 407, "asks for a login: write"),
        ("me:pass-word@", 407, "takes no other login"),
        ("", 403, "refuses to connect to vendor.example:443 (HTTP 403)"),
        ("", 405, "refuses to connect to vendor.example:443 (HTTP 405)"),
    ],
)
def test_a_proxy_that_lets_nobody_through_is_named(
    monkeypatch: pytest.MonkeyPatch, vendor: ScriptedVendor, login: str, status: int, says: str
) -> None:
    place = vendor.base_url.removeprefix("http://")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{login}{place}")
    vendor.script(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

    assert refusal().startswith(f"the proxy {place} (HTTPS_PROXY) {says}")


@pytest.mark.parametrize("status", [200, 502, 503, 504])
def test_what_lies_behind_a_proxy_is_not_its_fault(
    monkeypatch: pytest.MonkeyPatch, vendor: ScriptedVendor, status: int
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", vendor.base_url)
    vendor.script(f"HTTP/1.1 {status} Well\r\nContent-Length: 0\r\n\r\n".encode())

    _pass()

    assert vendor.requests[0].target == "vendor.example:443"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://nowhere.invalid:3128", "https://127.0.0.1:1"]
)
def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)

    assert "(HTTPS_PROXY) cannot be reached (" in refusal()


def test_a_proxy_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")

        assert "(https_proxy) cannot be reached (timed out)" in refusal(seconds=0.1)
