"""The console script ``paceline``, and ``python -m paceline``."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C while it is still being loaded ends it with a sentence too."""
    try:
        from paceline import cli

        cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; nothing was written.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
