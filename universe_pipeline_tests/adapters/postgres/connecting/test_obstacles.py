"""What a driver's error means for the person whose database it is."""

from psycopg import errors

from universe_pipeline.adapters.postgres.connecting.obstacles import unreachable


def test_a_limit_of_the_role_that_ends_the_first_statement_is_named():
    # Too short a limit to be raised by a statement of ours, which it would end as well.
    ended = errors.QueryCanceled("canceling statement due to statement timeout\nDETAIL: none")

    assert str(unreachable("me@h/d", ended)) == (
        "cannot reach the database at me@h/d: canceling statement due to statement timeout. "
        "Raise the statement_timeout of the role or the database"
    )
