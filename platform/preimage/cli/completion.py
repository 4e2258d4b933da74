"""The verb `completion`, and what it prints: a script for each shell that asks `preimage` itself.

Typer answers in the form that it has for fish, a candidate on each line and, after a tab, what it is for. Its
own script for bash would break `key=value` and `s3://` apart, as bash's COMP_WORDBREAKS does.
"""

from enum import StrEnum
from typing import Annotated

import typer

VARIABLE = "_PREIMAGE_COMPLETE"
ASKED = f"COLUMNS=9999 {VARIABLE}=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args _TYPER_COMPLETE_ARGS"

BASH = r"""
_preimage() {
    local line=${COMP_LINE:0:COMP_POINT} typed before value
    typed=${line##*[[:space:]]}
    before=${typed%"$2"}  # bash replaces only what follows the last = or :
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        COMPREPLY+=("${value#"$before"}")
        [[ $value == *[=./] ]] && compopt -o nospace
    done < <(ASKED="$line" "$1" 2>/dev/null)
}
complete -o default -F _preimage preimage
"""
ZSH = r"""
#compdef preimage
_preimage() {
    local line value
    local -a open open_shown ended ended_shown
    for line in "${(@f)$(ASKED="${(j: :)words[1,CURRENT]}" $words[1] 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        [[ -n $value ]] || continue
        if [[ $value == *[=./] ]]; then
            open+=("$value"); open_shown+=("${line/$'\t'/  -- }")
        else
            ended+=("$value"); ended_shown+=("${line/$'\t'/  -- }")
        fi
    done
    (( $#open )) && compadd -S '' -l -d open_shown -a open
    (( $#ended )) && compadd -l -d ended_shown -a ended
    (( $#open + $#ended )) || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _preimage preimage
"""
FISH = r"""
function __preimage_complete
    set -lx COLUMNS 9999
    set -lx _PREIMAGE_COMPLETE complete_fish
    set -lx _TYPER_COMPLETE_FISH_ACTION get-args
    set -lx _TYPER_COMPLETE_ARGS (commandline -cp)
    set -l words (commandline -opc)
    set -l found ($words[1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete --command preimage --no-files --arguments '(__preimage_complete)'
"""


class Shell(StrEnum):
    """A shell that completes."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.", metavar="bash|zsh|fish")]) -> None:
    """Print a script with which your shell completes verbs, specs, profiles, keys, values and runs.

    bash: put  eval "$(preimage completion bash)"  into ~/.bashrc; zsh: the
    same with zsh into ~/.zshrc; fish: preimage completion fish >
    ~/.config/fish/completions/preimage.fish
    """
    script = {Shell.BASH: BASH, Shell.ZSH: ZSH, Shell.FISH: FISH}[shell]
    print(script.strip().replace("ASKED", ASKED))


def register() -> None:
    """Let Typer answer these scripts. Its own options for that stay away: their scripts are others."""
    from typer.completion import get_completion_inspect_parameters

    get_completion_inspect_parameters()
