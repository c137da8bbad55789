"""Progress, for its listeners."""

from universe_pipeline.loading.progress import Step, listening, report


def test_a_listener_receives_the_steps_in_its_block():
    steps: list[Step] = []

    report(Step("sessions", 1, 2))
    with listening(steps.append):
        report(Step("sessions", 2, 2, "2024-07-01"))
    report(Step("sessions", 3, 2))

    assert steps == [Step("sessions", 2, 2, "2024-07-01")]


def test_the_innermost_listener_receives_the_steps():
    outer: list[Step] = []
    inner: list[Step] = []

    with listening(outer.append):
        with listening(inner.append):
            report(Step("pages", 1, None))
        report(Step("pages", 2, None))

    assert [step.done for step in inner] == [1]
    assert [step.done for step in outer] == [2]


def test_what_failed_is_named_and_not_done() -> None:
    assert Step.tried("sessions", 3, 0, 3, "2024-07-03") == Step("sessions", 3, 3, "2024-07-03")
    failing = Step.tried("sessions", 3, 2, 3, "2024-07-03")
    assert failing == Step("sessions", 1, 3, "2024-07-03, 2 failed")
