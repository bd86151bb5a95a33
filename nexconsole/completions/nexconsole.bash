# bash completion for nexconsole(1): read from the installed version at the first Tab, so that it is never of another.
eval "$(nexconsole completion bash 2>/dev/null)"
