"""``python -m nextbar``, and the command ``nextbar``."""

import sys


def main() -> int:
    """Runs the command; the studio by a short way, since its page is up before PyTorch is."""
    if sys.argv[1:2] == ["studio"]:
        from nextbar.studio.command import run

        return run(sys.argv[2:])
    from nextbar.cli import main as run_command_line

    return run_command_line()


if __name__ == "__main__":
    raise SystemExit(main())
