"""From a wish to a command of the shell: written, checked, explained, run."""
