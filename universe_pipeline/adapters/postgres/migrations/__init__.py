"""The schema's history, run in order by `schema.bring_up_to_date`."""
