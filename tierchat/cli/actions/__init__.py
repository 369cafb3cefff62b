"""What commands do: one file per command, beside the lines that it shows."""
