import httpx
import pytest

from universe_pipeline.adapters.polygon.origins import destination, vendor_of
from universe_pipeline.domain.errors import SettingsError


@pytest.mark.parametrize(
    ("base_url", "vendor"),
    [
        ("https://api.polygon.io", "polygon"),
        ("https://API.Massive.com/", "polygon"),
        ("http://127.0.0.1:8080", "loopback"),
        ("http://127.9.9.9", "loopback"),
        ("http://[::1]:5000", "loopback"),
        ("http://localhost:1/path", "loopback"),
        ("https://Mirror.Example:8443", "mirror.example"),
        ("https://notapi.polygon.io", "notapi.polygon.io"),
        ("https://10.0.0.1", "10.0.0.1"),
    ],
)
def test_a_base_url_names_its_vendor(base_url: str, vendor: str):
    assert vendor_of(base_url) == vendor


@pytest.mark.parametrize("base_url", ["https://999.999.999.999", "https://xn--.example"])
def test_an_address_that_can_be_none_is_a_wrong_setting(base_url: str):
    with pytest.raises(SettingsError, match="POLYGON_BASE_URL"):
        vendor_of(base_url)


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("https://api.massive.com", "https://api.massive.com/v3?cursor=a"),
        ("https://api.massive.com", "https://api.massive.com:443/v3"),
        ("https://api.massive.com", "https://API.MASSIVE.COM/v3"),
        ("https://api.massive.com", "https://api.polygon.io/v3"),
        ("https://api.polygon.io", "https://api.massive.com/v3"),
        ("https://api.polygon.io", "/v3?cursor=a"),
        ("http://127.0.0.1:8080/mirror", "http://127.0.0.1:8080/v3"),
    ],
)
def test_the_key_goes_to_the_origin_and_its_twin(base: str, link: str):
    assert destination(httpx.URL(base), link) is not None


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("https://api.massive.com", "https://evil.example/v3"),
        ("https://api.massive.com", "//evil.example/v3"),
        ("https://api.massive.com", "http://api.massive.com/v3"),
        ("https://api.massive.com", "http://api.polygon.io/v3"),
        ("https://api.massive.com", "https://api.polygon.io:8443/v3"),
        ("https://api.massive.com", "https://api.massive.com.evil.example/v3"),
        ("https://api.massive.com", "https://api.massive.com@evil.example/v3"),
        ("https://api.massive.com", "https://user:word@api.massive.com/v3"),
        ("https://api.massive.com", "https://xapi.massive.com/v3"),
        ("https://api.massive.com", "https://[bad"),
        ("https://api.massive.com", "https://xn--/v3"),
        ("https://api.massive.com", "https://exa\u2100mple/v3"),
        ("https://api.massive.com", "https://api.massive.com\\@evil.example/v3"),
        ("https://api.massive.com", "\thttps://evil.example/v3"),
        ("https://api.massive.com", "/" + "x" * 70_000),
        ("https://api.massive.com", "ftp://api.massive.com/v3"),
        ("https://mirror.example", "https://api.massive.com/v3"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8081/v3"),
        ("http://127.0.0.1:8080", "http://localhost:8080/v3"),
        ("http://127.0.0.1:8080", "https://api.polygon.io/v3"),
    ],
)
def test_the_key_goes_nowhere_else(base: str, link: str):
    assert destination(httpx.URL(base), link) is None


def test_the_destination_is_the_link_as_it_stands():
    found = destination(
        httpx.URL("https://api.massive.com"), "https://api.polygon.io/v3/x?cursor=YWN0%3D&b=%2F"
    )

    assert str(found) == "https://api.polygon.io/v3/x?cursor=YWN0%3D&b=%2F"
