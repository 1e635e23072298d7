# bash completion for plainrsa-gen
_plainrsa_gen() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    -b) mapfile -t COMPREPLY < <(compgen -W '2048 3072 4096' -- "$word") ;;
    -e) mapfile -t COMPREPLY < <(compgen -W '0x10001 0x3' -- "$word") ;;
    -f | -i) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -W '-b -e -f -i -h' -- "$word") ;;
    esac
}
complete -F _plainrsa_gen plainrsa-gen
