"""The values for Dagster's chart agree with the image and the code; `make chart` renders them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FOLDER = REPOSITORY / "deploy/kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text())
MANIFESTS = [FOLDER / "migrate.yaml", FOLDER / "ingress.yaml"]
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


def validated(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "kubernetes-validate", "--strict", "-k", "1.34", *files],
        check=False, capture_output=True, text=True,
    )  # fmt: skip


def test_the_manifests_of_ours_are_those_of_kubernetes() -> None:
    assert validated(*MANIFESTS).returncode == 0


def test_a_misspelt_field_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "job.yaml"
    wrong.write_text(MANIFESTS[0].read_text().replace("restartPolicy", "restartPolice"))

    assert validated(wrong).returncode == 1


def test_everything_runs_one_image_of_this_version() -> None:
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    image = VALUES["dagsterWebserver"]["image"]
    (container,) = yaml.safe_load(MANIFESTS[0].read_text())["spec"]["template"]["spec"][
        "containers"
    ]

    assert image["tag"] == VERSION
    assert VALUES["dagsterDaemon"]["image"] == deployment["image"] == image
    assert container["image"] == f"{image['repository']}:{image['tag']}"


def test_every_pod_runs_as_the_user_of_the_image() -> None:
    (user,) = re.findall(
        r"^USER (\d+):", (REPOSITORY / "deploy/Dockerfile").read_text(), re.MULTILINE
    )
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    contexts = [
        VALUES["dagsterWebserver"]["podSecurityContext"],
        VALUES["dagsterDaemon"]["podSecurityContext"],
        VALUES["dagster-user-deployments"]["deployments"][0]["podSecurityContext"],
        launcher["runK8sConfig"]["podSpecConfig"]["securityContext"],
    ]

    assert {context["runAsUser"] for context in contexts} == {int(user)}


def test_the_code_has_the_name_that_runs_of_the_command_line_give_it() -> None:
    (loaded,) = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())["load_from"]
    (server,) = VALUES["dagsterWebserver"]["workspace"]["servers"]
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]

    assert server["name"] == loaded["python_module"]["location_name"]
    assert (server["host"], server["port"]) == (deployment["name"], deployment["port"])


def test_dagsters_tables_lie_in_the_schema_that_migrate_makes() -> None:
    assert VALUES["postgresql"]["postgresqlParams"] == {"options": "-csearch_path=dagster"}
