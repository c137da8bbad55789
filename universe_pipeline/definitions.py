"""Where Dagster starts: the Definitions that workspace.yaml names."""

from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.settings import process_settings

defs = build_defs(process_settings())
