"""What was asked for and what came of it: session loads, jobs, errors, refused answers, vendor."""
