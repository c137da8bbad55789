"""Where Dagster starts: the Definitions that workspace.yaml names."""

from universe_pipeline.orchestration.catalogue import definitions

defs = definitions()
