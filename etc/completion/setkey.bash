# bash completion for setkey
_setkey() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    --kernel) mapfile -t COMPREPLY < <(compgen -W 'auto userspace xfrm pfkey' -- "$word") ;;
    -f | -[!-]*f | --socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    *)
        case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W '-a -c -D -f -F -h -H -k --kernel -l -n -N -p -P -r --socket -v -V -x' -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        esac
        ;;
    esac
}
complete -F _setkey setkey
