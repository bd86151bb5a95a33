"""The command line: `main` dispatches, `registry` names the commands, each command is a module."""
