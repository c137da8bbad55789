"""deploy/compose.yaml fits the compose specification, and each service runs what is there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from universe_pipeline.settings import NAMES

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMPOSE = REPOSITORY / "deploy/compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
OURS = {"migrate", "code", "webserver", "daemon", "worker"}


def validated(file: Path) -> subprocess.CompletedProcess[str]:
    schema = ("--builtin-schema", "vendor.compose-spec")
    return subprocess.run(
        [BIN / "check-jsonschema", *schema, file], check=False, capture_output=True, text=True
    )


def test_it_fits_the_compose_specification() -> None:
    assert validated(COMPOSE).returncode == 0


def test_a_condition_that_compose_does_not_know_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text().replace("service_healthy", "service_wealthy"))

    assert validated(wrong).returncode == 1


def test_yamllint_finds_nothing_in_the_folder() -> None:
    found = subprocess.run(
        [BIN / "yamllint", "--strict", "deploy", "mkdocs.yml", "workspace.yaml"],
        cwd=REPOSITORY, check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert (found.stdout, found.returncode) == ("", 0)


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_service_of_ours_may_write_to_its_volume_only(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_each_program_of_a_command_is_in_the_image() -> None:
    programs = {name: SERVICES[name]["command"][0] for name in OURS}

    assert set(programs.values()) == {"sh", "dagster", "python", "dagster-daemon", "universe"}
    assert all((BIN / program).exists() for program in {*programs.values()} - {"sh"})


def test_each_name_of_universe_is_a_setting() -> None:
    pages = (COMPOSE, REPOSITORY / "docs/deploy/compose.md")
    text = "\n".join(page.read_text() for page in pages)
    named = set(re.findall(r"\b(?:UNIVERSE|POLYGON)_\w+", text))

    assert "UNIVERSE_BROKER_URL" in named
    assert named - set(NAMES) == set()  # each process would warn of another


def test_the_page_is_published_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert set(published) == {"webserver", "proxy"}
    assert published["webserver"] == ["127.0.0.1:${DEPLOY_PORT:-3000}:3000"]


def test_the_workspace_names_the_service_that_serves_the_code() -> None:
    (loaded,) = yaml.safe_load((REPOSITORY / "deploy/workspace.yaml").read_text())["load_from"]
    server = loaded["grpc_server"]

    command = SERVICES[server["host"]]["command"]

    assert str(server["port"]) == command[command.index("-p") + 1]
    assert server["location_name"] == "universe_pipeline"
