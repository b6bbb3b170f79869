"""``python -m pacskit``."""

import sys

from pacskit.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
