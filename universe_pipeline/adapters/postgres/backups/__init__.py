"""The database in a file: `pg_dump` and `pg_restore`, and what a file may hold."""
