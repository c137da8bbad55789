"""One table per file; the asset, its table and its file have the same name."""
