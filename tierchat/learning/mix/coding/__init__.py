"""Code to write and to read: functions, expressions, queries, commands, logs, diffs."""
