"""PostgreSQL: the store, its migrations, and the embedded server."""
