"""Certificates and TLS: what the environment may name, and when it does not matter."""

from pathlib import Path

import certifi
import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.trust import trust
from universe_pipeline.domain.errors import SettingsError
from universe_pipeline_tests.adapters.polygon.conftest import BRISK, KEY
from universe_pipeline_tests.support.scripted_vendor import ScriptedVendor, answer
from universe_pipeline_tests.support.vendor_answers import listed

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Paths that are not what they are named for."""
    (tmp_path / "text").write_text("no certificate\n")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    names = ("text", "empty", "folder", "missing")
    return {name: tmp_path / name for name in names} | {"nul": Path("nul\0byte")}


def refusal() -> str:
    with pytest.raises(SettingsError) as refused:
        trust()
    (line,) = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize("what", ["text", "empty", "folder", "missing"])
def test_a_file_without_a_certificate_is_named(
    monkeypatch: pytest.MonkeyPatch, places: dict[str, Path], what: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(places[what]))

    assert refusal().startswith(f"SSL_CERT_FILE='{places[what]}' in the environment is not usable")


@pytest.mark.parametrize("what", ["text", "folder", "missing"])
def test_a_folder_without_hashed_certificates_is_named(
    monkeypatch: pytest.MonkeyPatch, places: dict[str, Path], what: str
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(places[what]))

    assert refusal().startswith(f"SSL_CERT_DIR='{places[what]}' in the environment is not usable")


@pytest.mark.parametrize("what", ["folder", "missing/file"])
def test_a_key_log_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, places: dict[str, Path], what: str
) -> None:
    assert places["folder"].is_dir()
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / what))

    assert refusal().startswith(f"SSLKEYLOGFILE='{tmp_path / what}' in the environment is not")


def test_what_is_usable_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usual = trust().cert_store_stats()["x509_ca"]
    one = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
    (tmp_path / "0a1b2c3d.0").write_text("".join(one[:2]) + "\n")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trust().cert_store_stats()["x509_ca"] == 0  # read when it is needed
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "0a1b2c3d.0"))
    assert trust().cert_store_stats()["x509_ca"] == 1 < usual


def test_plain_http_needs_no_certificate(
    monkeypatch: pytest.MonkeyPatch, vendor: ScriptedVendor
) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "/missing/file")
    vendor.script(answer(listed({"code": "CS"})))

    with PolygonClient(vendor.base_url, KEY, patience=BRISK) as client:
        assert client.ticker_types() == {"CS": ""}
