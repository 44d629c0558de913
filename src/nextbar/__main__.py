"""``python -m nextbar``."""

from nextbar.cli import main

raise SystemExit(main())
