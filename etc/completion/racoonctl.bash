# bash completion for racoonctl
_racoonctl() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    local commands='reload-config show-sa flush-sa delete-sa establish-sa show-modules show-keys explain shutdown'
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --module-path) ((i++)) ;;
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    if [ -z "$command" ]; then
        case $previous in
        -s) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
        --module-path) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
        esac
    fi
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "$commands -d -h -j -l -s --json --help --module-path" -- "$word") ;;
    show-sa | ss | flush-sa | fs) mapfile -t COMPREPLY < <(compgen -W 'isakmp esp ah ipsec' -- "$word") ;;
    delete-sa | ds | establish-sa | es)
        case $previous in
        isakmp | esp | ah) mapfile -t COMPREPLY < <(compgen -W 'inet inet6' -- "$word") ;;
        "$command" | -w) mapfile -t COMPREPLY < <(compgen -W 'isakmp esp ah -n -w' -- "$word") ;;
        esac
        ;;
    # The words are those of this racoonctl and of the modules that are installed.
    explain | ex) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" explain --words 2>/dev/null) --json" -- "$word") ;;
    esac
}
complete -F _racoonctl racoonctl
