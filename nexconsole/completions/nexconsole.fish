# fish completion for nexconsole(1): read from the installed version, so that it is never of another.
nexconsole completion fish 2>/dev/null | source
