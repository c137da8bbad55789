"""What a client is shown of a server that ended under it."""

from pathlib import Path

from universe_pipeline.adapters.embedded_postgres import losses
from universe_pipeline.adapters.embedded_postgres.folder import ServerFolder

PANIC = 'could not open file "pg_wal/000000010000000000000004": No such file or directory'


def log(folder: ServerFolder, line: str) -> None:
    with folder.log.open("a") as file:
        file.write(f"2024-03-12 17:00:00 UTC [7] {line}\n")


def test_a_cause_that_the_client_has_heard_is_not_repeated(tmp_path: Path):
    folder = ServerFolder(tmp_path)
    folder.log.parent.mkdir()
    folder.server_lock.touch()
    losses.remember(folder)
    log(folder, f"PANIC:  {PANIC}")

    heard = losses.explained(
        folder.url, f"PANIC: {PANIC}; server closed the connection unexpectedly"
    )
    unheard = losses.explained(folder.url, "server closed the connection unexpectedly")

    assert heard.count("pg_wal") == 1
    assert unheard == f"server closed the connection unexpectedly (PANIC:  {PANIC})"
