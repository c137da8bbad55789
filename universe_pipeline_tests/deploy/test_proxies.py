"""What stands in front of the page is accepted by the proxies themselves; run by `make faults`."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

PROXY = Path(__file__).parents[2] / "deploy/proxy"


def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    key = ("-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "privkey.pem")
    certificate = ("-subj", "/CN=dagster.example.com", "-out", tmp_path / "fullchain.pem")
    subprocess.run(["openssl", "req", "-x509", *key, *certificate], check=True, capture_output=True)
    site = (PROXY / "nginx.conf").read_text()
    site = site.replace("/etc/letsencrypt/live/dagster.example.com", str(tmp_path))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{site}\n}}\n")

    tried = subprocess.run(
        ["/usr/sbin/nginx", "-t", "-c", whole, "-e", tmp_path / "error.log"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert tried.returncode == 0, tried.stderr
    assert "warn" not in tried.stderr


def test_caddy_accepts_its_file(tmp_path: Path) -> None:
    # Debian 12's Caddy is 2.6, which calls the login of 2.8 `basicauth`.
    text = (PROXY / "Caddyfile").read_text().replace("basic_auth", "basicauth")
    (tmp_path / "Caddyfile").write_text(text)
    hashed = subprocess.run(
        ["caddy", "hash-password", "--plaintext", "sesame"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    given = {
        "UNIVERSE_PAGE_ORIGIN": "https://dagster.example.com",
        "DEPLOY_PAGE_USER": "ada",
        "DEPLOY_PAGE_HASH": hashed,
        "HOME": str(tmp_path),
    }

    tried = subprocess.run(
        ["caddy", "validate", "--adapter", "caddyfile", "--config", tmp_path / "Caddyfile"],
        env={**os.environ, **given}, check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert tried.returncode == 0, tried.stderr
