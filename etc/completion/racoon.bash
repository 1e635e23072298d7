# bash completion for racoon
_racoon() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    -f | -l) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    --module-path) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    --explain-trust)
        mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --list-modules 2>/dev/null | sed 1d | cut -d' ' -f1)" -- "$word")
        ;;
    -p | -P) ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W '-4 -6 -B -C -d -F -f -L -l -P -p -t -V -v --explain-trust --help --json --list-modules --module-path --offline --one-process --version' -- "$word")
        ;;
    esac
}
complete -F _racoon racoon
