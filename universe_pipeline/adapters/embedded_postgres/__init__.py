"""The PostgreSQL server that comes with the product: files, processes and locks; no SQL of ours."""
