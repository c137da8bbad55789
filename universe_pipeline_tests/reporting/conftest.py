"""The report's tests share one database a worker."""

from universe_pipeline_tests.support.reused_database import reused_database, store, store_database

__all__ = ["reused_database", "store", "store_database"]
