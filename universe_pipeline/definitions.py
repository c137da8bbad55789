"""Where Dagster starts: the Definitions that workspace.yaml names."""

from universe_pipeline.orchestration.build import definitions

defs = definitions()
