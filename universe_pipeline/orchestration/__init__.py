"""All Dagster: assets, checks, jobs, resources, the IO manager, and runs from the command line."""

import warnings

from dagster import BetaWarning

# The product is built on it; everybody who starts Dagster would read of it.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", BetaWarning)
# Dagster's own doing, when it copies a sensor to attach resources.
warnings.filterwarnings("ignore", "Parameter `owners` of initializer `SensorDef", BetaWarning)
