# Completion of mlog for bash: mlog --completion bash >/etc/bash_completion.d/mlog
_mlog() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
    # --output=json is three words here.
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $before in
        -o | --output) words='local utc iso tai64n raw json syslog' ;;
        --color | --escape) words='auto always never' ;;
        --completion) words='bash zsh fish' ;;
        --since | --until) words='today yesterday now -1h -1d' ;;
        -n | --lines) words='10 100 all' ;;
        -g | --grep | -x | --exclude | -s | --service) return ;;
        --cursor)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        *)
            if [[ $word == -* ]]; then
                words='--follow --lines --since --until --grep --exclude --service --output --cursor --stat --all
                    --color --escape --completion --help --version'
            else
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -d -- "$word")
                return
            fi
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _mlog mlog
