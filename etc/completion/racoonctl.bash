# bash completion for racoonctl
_racoonctl() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    local commands='reload-config show-sa flush-sa delete-sa establish-sa show-modules shutdown'
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s) ((i++)) ;;
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    if [ "$previous" = -s ] && [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "$commands -d -j -l -s --json --help" -- "$word") ;;
    show-sa | ss | flush-sa | fs) mapfile -t COMPREPLY < <(compgen -W 'isakmp esp ah ipsec' -- "$word") ;;
    delete-sa | ds | establish-sa | es)
        case $previous in
        isakmp | esp | ah) mapfile -t COMPREPLY < <(compgen -W 'inet inet6' -- "$word") ;;
        "$command" | -w) mapfile -t COMPREPLY < <(compgen -W 'isakmp esp ah -n -w' -- "$word") ;;
        esac
        ;;
    esac
}
complete -F _racoonctl racoonctl
