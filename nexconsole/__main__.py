"""Entry point of the command: paints a first frame before anything else is imported."""

import gc
import os
import sys


def _splash() -> None:
    """Paint a first frame on the alternate screen, which the console then takes over."""
    os.write(1, b"\x1b[?1049h\x1b[H\x1b[2J\x1b[1m NexConsole\x1b[0m is starting\xe2\x80\xa6\r\n")


def _ended(number: int, _: object) -> None:
    """Handle signals until the console does: each ends the program through every `finally`."""
    raise SystemExit(128 + number)


def _opens_console(arguments: list[str]) -> bool:
    if arguments in ([], ["console"]):
        return True
    from .cli.options import opens_console

    return opens_console(arguments)


def _terminal_is_fit() -> bool:
    """Whether the first frame can be painted here. If not, the command reports why, after its own checks."""
    if os.environ.get("TEXTUAL_DRIVER"):  # `serve` has a browser for it
        return False
    from .terminal import why_not

    return not why_not()


def main() -> None:
    """Entry point of the command `nexconsole`."""
    # How long Textual waits whether an Escape begins a key's sequence: its 100 ms are felt.
    os.environ.setdefault("ESCDELAY", "40")
    arguments = sys.argv[1:]
    splash = False
    if _opens_console(arguments) and _terminal_is_fit():
        splash = True
        _splash()
        gc.disable()  # until the screen stands: what is imported is here to stay
        import signal

        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, _ended)
    try:
        from .cli.main import run
    except BaseException:  # a signal or a broken installation, while nothing stood yet that would leave the splash
        os.write(1, b"\x1b[?1049l" * splash)
        raise
    sys.exit(run(arguments, splash=splash))


if __name__ == "__main__":
    main()
