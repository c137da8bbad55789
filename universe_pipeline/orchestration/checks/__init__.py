"""Asset checks: groups of quality rules, and how their findings are shown."""
