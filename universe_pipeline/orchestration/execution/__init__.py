"""Where runs are executed: in the command's process, and the services of `universe up`."""
