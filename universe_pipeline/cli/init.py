"""`init`: Dagster's instance file of this host, for one host or for many."""

import os
from pathlib import Path

import yaml

from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.orchestration.execution import instance
from universe_pipeline.orchestration.execution.instance_files import (
    Launcher,
    differences,
    text_of,
)
from universe_pipeline.settings import Settings

BEFORE = ".before"
"""Ends the name of a file that was replaced."""


def init(settings: Settings, launcher: Launcher, runs: int, *, replace: bool) -> int:
    """Write the instance file, or compare what is there with it.

    Args:
        settings: of the command.
        launcher: what executes the runs.
        runs: most runs at a time on many hosts.
        replace: write it also where another file is there, and keep that under another name.

    Returns:
        1 if the file differs and stays.

    Raises:
        UsageError: the folder or the file cannot be used, or the file is of another project.
    """
    file = instance.instance_file(settings)
    text = text_of(launcher, runs)
    if not os.path.lexists(file):
        instance.write(file, text)
        result(f"{file} is written, for {launcher}")
        return DONE
    differing = differences(instance.read(file), yaml.safe_load(text))
    if not differing:
        result(f"{file} is as this release writes it for {launcher}")
        return DONE
    result(f"{file} differs from what this release writes for {launcher}:")
    for line in differing:
        result(f"  {line}")
    return _replace(file, text) if replace else _leave()


def _replace(file: Path, text: str) -> int:
    before = file.with_name(file.name + BEFORE)
    file.replace(before)
    instance.write(file, text)
    result(f"{file} is written; the one before is {before}")
    return DONE


def _leave() -> int:
    note("next: edit the file, or give --replace, which keeps this one as dagster.yaml.before")
    return FAILED
