"""The calculator: exact numbers, units, percentages and dates, without `eval`."""
