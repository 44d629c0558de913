"""``python -m nextbar``, and the command ``nextbar``."""

from nextbar.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
