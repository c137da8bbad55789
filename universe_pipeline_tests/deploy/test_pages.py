"""The pages of docs/deploy/ show the files of deploy/, and the versions that are locked."""

import re
from pathlib import Path

import dagster

from universe_pipeline_tests.support.documents import PAGES, REPOSITORY
from universe_pipeline_tests.test_repository import repository_files

DEPLOY = {name: text for name, text in PAGES.items() if name.startswith("docs/deploy/")}
TEXT = "\n".join(DEPLOY.values())


def test_each_file_that_they_name_exists() -> None:
    named = {name.rstrip("/.") for name in re.findall(r"\bdeploy/[\w./-]+", TEXT)}
    files = {
        name for name in named if Path(name).suffix not in (".md", "") or name.endswith("file")
    }

    assert "deploy/compose.yaml" in files
    assert [name for name in files if not (REPOSITORY / name).is_file()] == []


def test_each_file_is_named() -> None:
    ours = [path.relative_to(REPOSITORY) for path in repository_files()]
    files = [path for path in ours if path.parts[0] == "deploy"]

    assert len(files) > 10
    # A timer speaks for its service.
    assert not [path for path in files if path.with_suffix("").name not in TEXT]


def test_the_chart_has_the_version_of_the_locked_dagster() -> None:
    versions = set(re.findall(r"--version (\S+)|dagster-([\d.]+)\.tgz", TEXT))

    assert {version for pair in versions for version in pair if version} == {dagster.__version__}
