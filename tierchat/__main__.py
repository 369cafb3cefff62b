"""`python -m tierchat` is `tierchat`."""

import sys

from tierchat.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
