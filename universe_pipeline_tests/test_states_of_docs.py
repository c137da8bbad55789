"""docs/session-states.md shows the state machine as `make tables` writes it."""

from universe_pipeline.domain.session_state import TRANSITIONS, Event, SessionStatus
from universe_pipeline_tests.write_states import DOCS, diagram, transitions, written


def test_the_docs_show_the_state_machine_as_it_is():
    docs = DOCS.read_text()

    assert written(docs) == docs, "run `make tables`"


def test_the_docs_have_every_part():
    docs = DOCS.read_text()

    assert diagram() in docs
    assert transitions() in docs
    assert all(f"| {word} | " in docs for word in (*SessionStatus, *Event))


def test_the_diagram_has_every_change_of_status():
    arrows = {line.split(":")[0].strip() for line in diagram().splitlines() if "-->" in line}

    assert arrows == {
        f"{source or '[*]'} --> {each.status}"
        for (source, _), each in TRANSITIONS.items()
        if source is not each.status
    }
