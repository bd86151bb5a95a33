#compdef nexconsole
# Read from the installed version at the first Tab, so that it is never of another.
eval "$(nexconsole completion zsh 2>/dev/null)"
(( $+functions[_shtab_nexconsole] )) && _shtab_nexconsole "$@"
