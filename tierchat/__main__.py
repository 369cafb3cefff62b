"""`python -m tierchat` is `tierchat`."""

import sys

from tierchat.cli import main

if __name__ == "__main__":
    sys.exit(main())
