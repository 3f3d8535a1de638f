"""`python -m distill` is the same as `distill`. Signals are taken before anything else is loaded."""

import sys


def main() -> None:
    """Run the command line in a process of its own, and end it with the command's exit code."""
    code = 130
    try:
        from distill.engine.interrupts import catch  # noqa: PLC0415  (Ctrl-C may come while it is loaded)

        with catch(ends_process=True) as interrupts:
            try:
                from distill.cli import main as carry_out  # noqa: PLC0415  (0.1 s, likewise)
                from distill.cli.pipes import outlive_readers  # noqa: PLC0415  (loads the package above)

                outlive_readers()
                carry_out()
            finally:
                code = interrupts.exit_code
                interrupts.close()
    except KeyboardInterrupt:
        sys.stderr.write("distill: interrupted; run the same command again to resume\n")
        sys.exit(code)


if __name__ == "__main__":
    main()
