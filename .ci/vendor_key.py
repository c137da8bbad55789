"""What a key of the vendor looks like, for the secret scan: 32 letters and digits of all kinds."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class VendorKeyDetector(RegexBasedDetector):
    """Finds one wherever it stands, quoted or not."""

    secret_type = "Key of the vendor"  # noqa: S105  # pragma: allowlist secret
    denylist = (re.compile(r"(?<!\w)(?=\w*[a-z])(?=\w*[A-Z])(?=\w*\d)\w{32}(?!\w)"),)
