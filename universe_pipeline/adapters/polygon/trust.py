"""The certificates by which the vendor, or a proxy with TLS, is known.

As httpx chooses them: those of SSL_CERT_FILE, else of SSL_CERT_DIR, else certifi's. Python also
writes the secrets of TLS into SSLKEYLOGFILE, where that is set.
"""

import os
import re
import ssl
from functools import cache
from pathlib import Path

import certifi

from universe_pipeline.domain.errors import SettingsError

FILE, FOLDER, KEY_LOG = "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""How OpenSSL looks for a certificate in a folder: by a hash of its subject."""


def trust() -> ssl.SSLContext:
    """What TLS trusts in this process.

    Raises:
        SettingsError: a variable names something else than it should, in a line with its name.
    """
    return _trust(*(os.environ.get(name, "") for name in (FILE, FOLDER, KEY_LOG)))


def no_trust() -> ssl.SSLContext:
    """For plain http, which asks for no certificate: reads none, and trusts none."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def source() -> str:
    """Where the trusted certificates come from, for messages."""
    named = next((name for name in (FILE, FOLDER) if os.environ.get(name)), None)
    return named or f"certifi; {FILE} may name those of your company"


@cache
def _trust(file: str, folder: str, key_log: str) -> ssl.SSLContext:
    # Reading all certificate authorities takes a tenth of a second, so clients share them.
    if key_log:
        _require_key_log(key_log)
    if file:
        return _from_file(file)
    if folder:
        return _from_folder(folder)
    return ssl.create_default_context(cafile=certifi.where())


def _require_key_log(path: str) -> None:
    try:
        Path(path).open("a").close()
    except (OSError, ValueError) as error:
        raise _unusable(KEY_LOG, path, _why(error), "a file that can be written") from None


def _from_file(path: str) -> ssl.SSLContext:
    try:
        Path(path).open("rb").close()  # OpenSSL names no reason for a folder
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        why = "it holds no certificate"
    except (OSError, ValueError) as error:
        why = _why(error)
    raise _unusable(FILE, path, why, "a file of certificates, in PEM")


def _from_folder(path: str) -> ssl.SSLContext:
    for folder in path.split(os.pathsep):
        try:
            names = [entry.name for entry in Path(folder).iterdir()]
        except (OSError, ValueError) as error:
            raise _unusable(FOLDER, folder, _why(error), "a folder of certificates") from None
        if not any(map(_HASHED.fullmatch, names)):
            why = "it holds no certificate under its hash (`openssl rehash` makes those names)"
            raise _unusable(FOLDER, folder, why, "a folder of certificates")
    return ssl.create_default_context(capath=path)


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _unusable(name: str, path: str, why: str, accepted: str) -> SettingsError:
    return SettingsError(
        [f"{name}={path!r} in the environment is not usable: {why}. Accepted: {accepted}, or unset"]
    )
