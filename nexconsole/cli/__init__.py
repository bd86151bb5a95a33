"""The command line: `main` dispatches, `registry` lists the commands, each command is a module."""
