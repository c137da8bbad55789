"""How Alembic reaches the database: by the connection that `schema` hands over."""

from alembic import context

VERSION_TABLE = "universe_schema_version"  # Dagster's own Alembic uses `alembic_version`

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, version_table=VERSION_TABLE, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
