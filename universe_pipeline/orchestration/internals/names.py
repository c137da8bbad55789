"""Names that Dagster does not document: tags of its runs, types of its interfaces, functions."""

from dagster._check import CheckError
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.instance import DynamicPartitionsStore
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
)
from dagster._core.utils import make_new_run_id
from dagster._serdes import ConfigurableClassData
from dagster._utils.interrupts import check_captured_interrupt

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "IMPLICIT_ASSET_JOB_NAME",
    "MAX_RETRIES_TAG",
    "PARTITION_NAME_TAG",
    "SCHEDULE_NAME_TAG",
    "SENSOR_NAME_TAG",
    "CheckError",
    "ConfigurableClassData",
    "DynamicPartitionsStore",
    "check_captured_interrupt",
    "make_new_run_id",
]
